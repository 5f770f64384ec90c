// A NAT gateway with a fixed address, for the outgoing traffic of a subnet.
import { tagValues } from '../types.bicep'

@description('Required. Name of the gateway.')
@minLength(1)
@maxLength(76)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

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

resource gateway 'Microsoft.Network/natGateways@2025-05-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: {
    idleTimeoutInMinutes: 4
    publicIpAddresses: [{ id: address.id }]
  }
}

@description('Resource id of the NAT gateway.')
output id string = gateway.id
