// A private endpoint of a resource, and its names in a private DNS zone.
import { tagValues } from '../types.bicep'

@description('Required. Name of the endpoint.')
@minLength(2)
@maxLength(64)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the target of the endpoint.')
param targetId string

@description('Required. Part of the resource that is reached, as Azure calls it.')
@allowed(['blob', 'queue', 'registry', 'table', 'topic', 'vault'])
param part string

@description('Required. Id of the subnet of the endpoint.')
param subnetId string

@description('Required. Id of the private DNS zone.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      {
        name: part
        properties: { privateLinkServiceId: targetId, groupIds: [part] }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: part
        properties: { privateDnsZoneId: zoneId }
      }
    ]
  }
}
