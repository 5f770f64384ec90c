// The virtual network of operations: private endpoints of shared resources, Bastion
// and the jump host.
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

@description('Required. Address range of the network of the clusters.')
param workloadSpace string

@description('Optional. Resource id of the NAT gateway of the jump host; empty for none.')
param natGatewayId string = ''

var endpoints = cidrSubnet(addressSpace, 24, 0)
var bastion = cidrSubnet(addressSpace, 26, 4)
var jump = cidrSubnet(addressSpace, 24, 2)

module endpointRules 'nsg.bicep' = {
  name: '${name}-nsg-shared-endpoints'
  params: {
    name: 'nsg-${name}-shared-endpoints'
    location: location
    tags: tags
    rules: [
      { name: 'both-networks', priority: 100, access: 'Allow', protocol: 'Tcp', sources: [workloadSpace, jump], destination: endpoints, ports: ['443'] }
      { name: 'network', priority: 200, access: 'Deny', sources: ['VirtualNetwork'], destination: '*', ports: ['*'] }
    ]
  }
}

// The rules that Bastion requires. Source: learn.microsoft.com/azure/bastion/bastion-nsg
module bastionRules 'nsg.bicep' = {
  name: '${name}-nsg-bastion'
  params: {
    name: 'nsg-${name}-bastion'
    location: location
    tags: tags
    sessions: true
    rules: [
      { name: 'users', priority: 100, access: 'Allow', protocol: 'Tcp', sources: ['Internet'], destination: '*', ports: ['443'] }
      { name: 'gateway-manager', priority: 110, access: 'Allow', protocol: 'Tcp', sources: ['GatewayManager'], destination: '*', ports: ['443'] }
      { name: 'load-balancer', priority: 120, access: 'Allow', protocol: 'Tcp', sources: ['AzureLoadBalancer'], destination: '*', ports: ['443'] }
      { name: 'hosts', priority: 130, access: 'Allow', sources: ['VirtualNetwork'], destination: 'VirtualNetwork', ports: ['8080', '5701'] }
      { name: 'rest', priority: 4096, access: 'Deny', sources: ['*'], destination: '*', ports: ['*'] }
      { name: 'sessions', direction: 'Outbound', priority: 100, access: 'Allow', protocol: 'Tcp', sources: ['*'], destination: 'VirtualNetwork', ports: ['22', '3389'] }
      { name: 'azure', direction: 'Outbound', priority: 110, access: 'Allow', protocol: 'Tcp', sources: ['*'], destination: 'AzureCloud', ports: ['443'] }
      { name: 'hosts-out', direction: 'Outbound', priority: 120, access: 'Allow', sources: ['VirtualNetwork'], destination: 'VirtualNetwork', ports: ['8080', '5701'] }
      { name: 'certificates', direction: 'Outbound', priority: 130, access: 'Allow', sources: ['*'], destination: 'Internet', ports: ['80'] }
      { name: 'rest-out', direction: 'Outbound', priority: 4096, access: 'Deny', sources: ['*'], destination: '*', ports: ['*'] }
    ]
  }
}

module jumpRules 'nsg.bicep' = {
  name: '${name}-nsg-jump'
  params: {
    name: 'nsg-${name}-jump'
    location: location
    tags: tags
    rules: [
      { name: 'bastion', priority: 100, access: 'Allow', protocol: 'Tcp', sources: [bastion], destination: jump, ports: ['22'] }
      { name: 'rest', priority: 200, access: 'Deny', sources: ['*'], destination: '*', ports: ['*'] }
    ]
  }
}

module subnets 'subnets.bicep' = {
  name: '${name}-operations-subnets'
  params: {
    name: 'vnet-${name}-operations'
    location: location
    tags: tags
    addressSpace: addressSpace
    subnets: [
      { name: 'snet-endpoints', range: endpoints, securityGroupId: endpointRules.outputs.id, filtered: true }
      { name: 'AzureBastionSubnet', range: bastion, securityGroupId: bastionRules.outputs.id, calls: true }
      { name: 'snet-jump', range: jump, securityGroupId: jumpRules.outputs.id, natGatewayId: natGatewayId }
    ]
  }
}

@description('Id of the virtual network; subnets are below it.')
output id string = subnets.outputs.id
