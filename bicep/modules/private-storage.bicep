// Private endpoints of a storage account, for the services that the controller uses.
import { networkOptions, tagValues } from '../types.bicep'

@description('Required. Name of the storage account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
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

// One after the other: while a subnet gets an endpoint, Azure may refuse another one.
@batchSize(1)
module endpoints 'endpoint.bicep' = [for part in ['blob', 'queue', 'table']: {
  name: '${name}-${part}'
  params: {
    name: 'pep-${name}-${part}'
    location: location
    tags: tags
    targetId: storageId
    part: part
    subnetId: network.endpointSubnetId
    zoneId: zoneIds[part]
  }
}]
