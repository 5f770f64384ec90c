// The virtual network of the cheaper setup: one gateway, and nodes and load balancers of
// each color. With one cluster the subnets of green's nodes stay empty.
import { tagValues } from '../types.bicep'

@description('Required. Base of all names.')
@minLength(3)
@maxLength(12)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Address range of the network, /20 or larger.')
param addressSpace string

@description('Required. Address ranges, or one service tag, that may reach the preview listener: those of the controller and of operators.')
param previewSources string[]

var nodes = [cidrSubnet(addressSpace, 22, 0), cidrSubnet(addressSpace, 22, 1)]
var ingress = [cidrSubnet(addressSpace, 24, 8), cidrSubnet(addressSpace, 24, 9)]
var gateway = cidrSubnet(addressSpace, 24, 10)

// In the ingress subnets are only addresses of internal load balancers. A packet keeps such an
// address as its destination up to the node, where the rules of the nodes' subnet decide.
module nodeRules 'nsg.bicep' = {
  name: '${name}-nsg-nodes'
  params: {
    name: 'nsg-${name}-nodes'
    location: location
    tags: tags
    rules: [
      { name: 'gateway-to-blue', priority: 100, access: 'Allow', protocol: 'Tcp', sources: [gateway], destination: ingress[0], ports: ['80'] }
      { name: 'gateway-to-green', priority: 110, access: 'Allow', protocol: 'Tcp', sources: [gateway], destination: ingress[1], ports: ['80'] }
      { name: 'network-to-blue', priority: 120, access: 'Deny', sources: ['VirtualNetwork'], destination: ingress[0], ports: ['*'] }
      { name: 'network-to-green', priority: 130, access: 'Deny', sources: ['VirtualNetwork'], destination: ingress[1], ports: ['*'] }
    ]
  }
}

module gatewayRules 'nsg.bicep' = {
  name: '${name}-nsg-gateway'
  params: {
    name: 'nsg-${name}-gateway'
    location: location
    tags: tags
    rules: [
      { name: 'users', priority: 100, access: 'Allow', protocol: 'Tcp', sources: ['Internet'], destination: '*', ports: ['80', '443'] }
      // Application Gateway requires this rule.
      { name: 'gateway-manager', priority: 110, access: 'Allow', protocol: 'Tcp', sources: ['GatewayManager'], destination: '*', ports: ['65200-65535'] }
      { name: 'previews', priority: 120, access: 'Allow', protocol: 'Tcp', sources: previewSources, destination: '*', ports: ['8080'] }
    ]
  }
}

module subnets 'subnets.bicep' = {
  name: '${name}-subnets'
  params: {
    name: 'vnet-${name}'
    location: location
    tags: tags
    addressSpace: addressSpace
    subnets: [
      { name: 'snet-nodes-blue', range: nodes[0], securityGroupId: nodeRules.outputs.id }
      { name: 'snet-nodes-green', range: nodes[1], securityGroupId: nodeRules.outputs.id }
      { name: 'snet-ingress-blue', range: ingress[0], securityGroupId: nodeRules.outputs.id }
      { name: 'snet-ingress-green', range: ingress[1], securityGroupId: nodeRules.outputs.id }
      { name: 'snet-gateway', range: gateway, securityGroupId: gatewayRules.outputs.id }
    ]
  }
}

@description('Id of the virtual network; subnets are below it.')
output id string = subnets.outputs.id
