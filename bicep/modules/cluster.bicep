// One AKS cluster. People and the controller sign in with Entra; there are no accounts of
// the cluster's own.
import { clusterSize, kubeletIdentity, tagValues } from '../types.bicep'

@description('Required. Name of the cluster.')
@minLength(1)
@maxLength(54)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of everything.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Resource id of the data collection rule of Container Insights.')
param collectionRuleId string

@description('Required. How large the cluster is.')
param size clusterSize

@description('Optional. Availability zones of the nodes.')
param zones string[] = []

@description('Optional. Version of Kubernetes; the default of the region when the cluster is made, and then what it has.')
param version string = ''

@description('Optional. Pools, as CLUSTER/POOL, whose autoscaler decides already how many nodes there are.')
param scaledPools string[] = []

@description('Required. Resource id of the identity of the control plane.')
param identityId string

@description('Required. The identity of the kubelets.')
param kubelet kubeletIdentity

@description('Required. Id of the subnet of the nodes.')
param subnetId string

@description('Optional. Id of the private DNS zone of the API server; empty for a public API server.')
param zoneId string = ''

@description('Optional. Whether the route table of the nodes leads to a firewall.')
param routedEgress bool = false

var pools = concat(
  [{ name: 'system', mode: 'System', taints: size.?user == null ? [] : ['CriticalAddonsOnly=true:NoSchedule'], of: size.system }],
  size.?user == null ? [] : [{ name: 'user', mode: 'User', taints: [], of: size.user! }]
)

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Base', tier: size.tier }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    dnsPrefix: name
    kubernetesVersion: empty(version) ? null : version
    nodeResourceGroup: 'rg-${name}-nodes-${uniqueString(resourceGroup().id)}'
    enableRBAC: true
    disableLocalAccounts: true
    aadProfile: { managed: true, enableAzureRBAC: true, tenantID: tenant().tenantId }
    identityProfile: { kubeletidentity: kubelet }
    oidcIssuerProfile: { enabled: true }
    securityProfile: { workloadIdentity: { enabled: true }, imageCleaner: { enabled: true, intervalHours: 168 } }
    apiServerAccessProfile: empty(zoneId) ? null : { enablePrivateCluster: true, privateDNSZone: zoneId, enablePrivateClusterPublicFQDN: false }
    // The addresses of pods and services are seen inside the cluster only: both colors have the same.
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      podCidr: '10.244.0.0/16'
      serviceCidr: '10.245.0.0/16'
      dnsServiceIP: '10.245.0.10'
      loadBalancerSku: 'standard'
      outboundType: routedEgress ? 'userDefinedRouting' : 'loadBalancer'
    }
    // Azure makes no pool without a count, and one that is there is left to its autoscaler.
    agentPoolProfiles: [for p in pools: { // bicep-check: ok it takes the loop for one element
      name: p.name
      mode: p.mode
      type: 'VirtualMachineScaleSets'
      vmSize: p.of.vmSize
      enableAutoScaling: p.of.least < p.of.most
      count: p.of.least < p.of.most && contains(scaledPools, '${name}/${p.name}') ? null : p.of.least
      minCount: p.of.least < p.of.most ? p.of.least : null
      maxCount: p.of.least < p.of.most ? p.of.most : null
      availabilityZones: zones
      vnetSubnetID: subnetId
      osType: 'Linux'
      osSKU: 'Ubuntu'
      nodeTaints: p.taints
      upgradeSettings: { maxSurge: '33%' }
    }]
    autoUpgradeProfile: { upgradeChannel: 'patch', nodeOSUpgradeChannel: 'NodeImage' }
    addonProfiles: { omsagent: { enabled: true, config: { logAnalyticsWorkspaceResourceID: workspaceId, useAADAuth: 'true' } } }
  }
}

resource collection 'Microsoft.Insights/dataCollectionRuleAssociations@2024-03-11' = {
  scope: cluster
  name: 'ContainerInsightsExtension'
  properties: { dataCollectionRuleId: collectionRuleId }
}
