// Private endpoints of a storage account, for the services that the controller uses.
import { networkOptions, tagValues } from '../types.bicep'

@description('Required. Name of the storage account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of everything.')
param tags tagValues

@description('Required. Resource id of the storage account.')
param storageId string

@description('Required. The subnet of the endpoints and the private DNS zones.')
param network networkOptions

var zoneIds = {
  blob: network.blobZoneId
  queue: network.queueZoneId
  table: network.tableZoneId
}

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [for service in ['blob', 'queue', 'table']: {
  name: 'pep-${name}-${service}'
  location: location
  tags: tags
  properties: {
    subnet: { id: network.endpointSubnetId }
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: storageId
          groupIds: [service]
        }
      }
    ]
  }
}]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [for (service, i) in ['blob', 'queue', 'table']: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service
        properties: { privateDnsZoneId: zoneIds[service] }
      }
    ]
  }
}]
