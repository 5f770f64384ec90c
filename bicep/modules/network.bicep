// The virtual network of the clusters, their gateways and the controller. Nodes and gateway
// of one color do not reach the nodes of the other.
import { tagValues } from '../types.bicep'

@description('Required. Base of all names.')
@minLength(3)
@maxLength(12)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Address range of the network, /18 or larger.')
param addressSpace string

@description('Optional. Address of a firewall for the outgoing traffic of the nodes; empty for none.')
param egressAddress string = ''

@description('Optional. Resource id of the NAT gateway of the controller; empty for the addresses of Azure.')
param natGatewayId string = ''

var colors = ['blue', 'green']
var nodes = [cidrSubnet(addressSpace, 22, 0), cidrSubnet(addressSpace, 22, 1)]
var ingress = [cidrSubnet(addressSpace, 24, 8), cidrSubnet(addressSpace, 24, 9)]
var gateways = [cidrSubnet(addressSpace, 24, 10), cidrSubnet(addressSpace, 24, 11)]
var functions = cidrSubnet(addressSpace, 24, 12)
var endpoints = cidrSubnet(addressSpace, 24, 13)

resource routes 'Microsoft.Network/routeTables@2025-05-01' = [for color in colors: {
  name: 'rt-${name}-${color}'
  location: location
  tags: tags
  properties: {
    disableBgpRoutePropagation: false
    routes: empty(egressAddress) ? [] : [{ name: 'internet', properties: { addressPrefix: '0.0.0.0/0', nextHopType: 'VirtualAppliance', nextHopIpAddress: egressAddress } }]
  }
}]

// In the ingress subnets are only addresses of internal load balancers. A packet keeps such an
// address as its destination up to the node, where the rules of the nodes' subnet decide.
module nodeRules 'nsg.bicep' = [for (color, i) in colors: {
  name: '${name}-nsg-nodes-${color}'
  params: {
    name: 'nsg-${name}-nodes-${color}'
    location: location
    tags: tags
    rules: [
      { name: 'other-color', priority: 100, access: 'Deny', sources: [nodes[1 - i], gateways[1 - i]], destination: '*', ports: ['*'] }
      { name: 'gateway-and-checks', priority: 110, access: 'Allow', protocol: 'Tcp', sources: [gateways[i], functions], destination: ingress[i], ports: ['80', '443'] }
      { name: 'network', priority: 120, access: 'Deny', sources: ['VirtualNetwork'], destination: ingress[i], ports: ['*'] }
    ]
  }
}]

module gatewayRules 'nsg.bicep' = [for color in colors: {
  name: '${name}-nsg-gateway-${color}'
  params: {
    name: 'nsg-${name}-gateway-${color}'
    location: location
    tags: tags
    rules: [
      { name: 'users', priority: 100, access: 'Allow', protocol: 'Tcp', sources: ['Internet'], destination: '*', ports: ['80', '443'] }
      // Application Gateway requires this rule.
      { name: 'gateway-manager', priority: 110, access: 'Allow', protocol: 'Tcp', sources: ['GatewayManager'], destination: '*', ports: ['65200-65535'] }
    ]
  }
}]

module functionRules 'nsg.bicep' = {
  name: '${name}-nsg-functions'
  params: { name: 'nsg-${name}-functions', location: location, tags: tags }
}

module endpointRules 'nsg.bicep' = {
  name: '${name}-nsg-endpoints'
  params: {
    name: 'nsg-${name}-endpoints'
    location: location
    tags: tags
    rules: [
      { name: 'controller', priority: 100, access: 'Allow', protocol: 'Tcp', sources: [functions], destination: endpoints, ports: ['443'] }
      { name: 'network', priority: 200, access: 'Deny', sources: ['VirtualNetwork'], destination: '*', ports: ['*'] }
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
      { name: 'snet-nodes-blue', range: nodes[0], securityGroupId: nodeRules[0].outputs.id, routeTableId: routes[0].id }
      { name: 'snet-nodes-green', range: nodes[1], securityGroupId: nodeRules[1].outputs.id, routeTableId: routes[1].id }
      { name: 'snet-ingress-blue', range: ingress[0], securityGroupId: nodeRules[0].outputs.id }
      { name: 'snet-ingress-green', range: ingress[1], securityGroupId: nodeRules[1].outputs.id }
      { name: 'snet-gateway-blue', range: gateways[0], securityGroupId: gatewayRules[0].outputs.id }
      { name: 'snet-gateway-green', range: gateways[1], securityGroupId: gatewayRules[1].outputs.id }
      { name: 'snet-functions', range: functions, securityGroupId: functionRules.outputs.id, natGatewayId: natGatewayId, delegation: 'Microsoft.App/environments', calls: true }
      { name: 'snet-endpoints', range: endpoints, securityGroupId: endpointRules.outputs.id, filtered: true }
    ]
  }
}

@description('Id of the virtual network; subnets are below it.')
output id string = subnets.outputs.id
