// One AKS cluster. Operators and the controller authenticate with Entra; local accounts are
// disabled.
import { clusterSize, kubeletIdentity, tagValues } from '../types.bicep'

@description('Required. Name of the cluster.')
@minLength(1)
@maxLength(54)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Resource id of the data collection rule of Container Insights.')
param collectionRuleId string

@description('Required. Size of the cluster.')
param size clusterSize

@description('Optional. Availability zones of the nodes.')
param zones string[] = []

@description('Optional. Version of Kubernetes; by default that of the region for a new cluster, and the present version for an existing one.')
param version string = ''

@description('Optional. Pools, as CLUSTER/POOL, that the cluster autoscaler already manages.')
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
    // Addresses of pods and services are visible only inside the cluster: both colors use the same ranges.
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
    // A new pool needs a count; an existing autoscaled pool keeps its own.
    agentPoolProfiles: [for p in pools: {
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
