// One direction of the peering of two virtual networks of the resource group.

@description('Required. Name of the virtual network from which the peering starts.')
@minLength(2)
@maxLength(64)
param name string

@description('Required. Name of the virtual network that becomes reachable.')
@minLength(2)
@maxLength(64)
param remoteName string

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: name
}

resource other 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: remoteName
}

resource peering 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings@2025-05-01' = {
  parent: network
  name: 'to-${remoteName}'
  properties: {
    allowVirtualNetworkAccess: true
    allowForwardedTraffic: false
    allowGatewayTransit: false
    useRemoteGateways: false
    remoteVirtualNetwork: { id: other.id }
  }
}
