// A virtual network with all its subnets: a deployment of the network deletes the subnets that
// it does not contain.
import { subnet, tagValues } from '../types.bicep'

@description('Required. Name of the virtual network.')
@minLength(2)
@maxLength(64)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Address range of the network.')
param addressSpace string

@description('Required. The subnets.')
param subnets subnet[]

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    subnets: [for s in subnets: {
      name: s.name
      properties: {
        addressPrefix: s.range
        networkSecurityGroup: { id: s.securityGroupId }
        routeTable: empty(s.?routeTableId) ? null : { id: s.routeTableId! }
        natGateway: empty(s.?natGatewayId) ? null : { id: s.natGatewayId! }
        delegations: empty(s.?delegation) ? [] : [
          {
            name: 'service'
            properties: { serviceName: s.delegation! }
          }
        ]
        defaultOutboundAccess: s.?calls ?? false
        privateEndpointNetworkPolicies: (s.?filtered ?? false) ? 'Enabled' : 'Disabled'
      }
    }]
  }
}

@description('Id of the virtual network; subnets are below it.')
output id string = network.id
