// Bastion, the only access to the jump host. Its native client opens SSH sessions and tunnels.
import { tagValues } from '../types.bicep'

@description('Required. Name of the host.')
@minLength(1)
@maxLength(76)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Id of the subnet; Azure requires the name AzureBastionSubnet.')
param subnetId string

@description('Optional. Availability zones of the address.')
param zones string[] = []

resource address 'Microsoft.Network/publicIPAddresses@2025-05-01' = {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  zones: empty(zones) ? null : zones
  properties: { publicIPAllocationMethod: 'Static' }
}

resource bastion 'Microsoft.Network/bastionHosts@2025-05-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: {
    enableTunneling: true
    disableCopyPaste: false
    scaleUnits: 2
    ipConfigurations: [{ name: 'public', properties: { subnet: { id: subnetId }, publicIPAddress: { id: address.id } } }]
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: bastion
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Name of the host.')
output name string = bastion.name
