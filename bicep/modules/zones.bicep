// The private DNS zones of the private endpoints, linked to the virtual networks that resolve
// their names.
import { tagValues } from '../types.bicep'

@description('Required. Azure region of the clusters.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Name of the virtual network of the clusters and the controller.')
@minLength(2)
@maxLength(64)
param workloadNetwork string

@description('Required. Name of the virtual network of operations.')
@minLength(2)
@maxLength(64)
param operationsNetwork string

@description('Optional. Whether there is a zone for Event Grid topics.')
param topics bool = false

// Source of the names: learn.microsoft.com/azure/private-link/private-endpoint-dns
var names = concat([
  'privatelink${environment().suffixes.acrLoginServer}'
  'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.queue.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.${toLower(replace(location, ' ', ''))}.azmk8s.io'
], topics ? ['privatelink.eventgrid.azure.net'] : [])

resource workload 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: workloadNetwork
}

resource operations 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: operationsNetwork
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in names: {
  name: zone
  location: 'global'
  tags: tags
}]

resource workloadLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in names: {
  parent: zones[i]
  name: workloadNetwork
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: workload.id }
  }
}]

resource operationsLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in names: {
  parent: zones[i]
  name: operationsNetwork
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: operations.id }
  }
}]

@description('Id of the zone of the registry.')
output registry string = zones[0].id

@description('Id of the zone of the vault.')
output vault string = zones[1].id

@description('Id of the zone of the API servers of the clusters.')
output cluster string = zones[5].id
