// A network security group. Azure's default rules follow: the virtual network and its peers
// are allowed, the internet is not. SSH and RDP sessions from the subnet into the network are
// denied: only Bastion opens them.
import { securityRule, tagValues } from '../types.bicep'

@description('Required. Name of the group.')
@minLength(1)
@maxLength(80)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Optional. Rules before those of Azure.')
param rules securityRule[] = []

@description('Optional. Whether hosts of the subnet may open SSH and RDP sessions into the network.')
param sessions bool = false

var noSessions = [
  { name: 'no-sessions', direction: 'Outbound', priority: 4000, access: 'Deny', protocol: 'Tcp', sources: ['VirtualNetwork'], destination: 'VirtualNetwork', ports: ['22', '3389'] }
]

// Azure accepts a service tag or an asterisk only in the properties for a single value.
resource group 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    securityRules: [for r in concat(rules, sessions ? [] : noSessions): {
      name: r.name
      properties: {
        priority: r.priority
        access: r.access
        direction: r.?direction ?? 'Inbound'
        protocol: r.?protocol ?? '*'
        sourceAddressPrefix: length(r.sources) == 1 ? r.sources[0] : null
        sourceAddressPrefixes: length(r.sources) > 1 ? r.sources : []
        sourcePortRange: '*'
        destinationAddressPrefix: r.destination
        destinationPortRange: length(r.ports) == 1 ? r.ports[0] : null
        destinationPortRanges: length(r.ports) > 1 ? r.ports : []
      }
    }]
  }
}

@description('Resource id of the group.')
output id string = group.id
