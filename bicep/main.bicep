// The full environment: two AKS clusters, blue and green, each behind an Application Gateway
// of its own, Traffic Manager in front, and the controller that moves the traffic.
targetScope = 'subscription'

import { accessOptions, clusterSize, color, gatewaySize, secretSetting, tagValues } from 'types.bicep'

@description('Optional. Base of all names: lower-case letters and digits.')
@minLength(3)
@maxLength(12)
param name string = 'bluegreen'

@description('Required. Azure region.')
param location string

@description('Optional. Name of the resource group, which the deployment creates.')
@minLength(1)
@maxLength(90)
param groupName string = 'rg-${name}'

@description('Optional. Tags of all resources.')
param tags tagValues = {}

@description('Required. The live color, blue at first. Read it from Azure before each deployment (scripts/live-color.sh): a wrong value moves the traffic.')
param live color

@description('Optional. Name of the app, the prefix of the names of its alert rules.')
@minLength(1)
@maxLength(40)
param app string = 'podinfo'

@description('Required. Size of each cluster.')
param clusters clusterSize

@description('Required. Size of each gateway.')
param gateways gatewaySize

@description('Optional. Availability zones of nodes, gateways and registry; none for a region without them, or to reduce costs.')
param zones string[] = []

@description('Optional. Version of Kubernetes; by default that of the region for a new cluster, and the present version for an existing one.')
param kubernetesVersion string = ''

@description('Optional. Node pools, as CLUSTER/POOL, that the cluster autoscaler already manages; the scripts read them from Azure. Other pools are set to their minimum.')
param scaledPools string[] = []

@description('Optional. Address range of the network of the clusters, /18 or larger.')
param workloadSpace string = '10.0.0.0/16'

@description('Optional. Address range of the network of operations, /20 or larger.')
param operationsSpace string = '10.1.0.0/16'

@description('Optional. Addresses of the internal load balancers of blue and green, which the Services in deploy/kubernetes request.')
@minLength(2)
@maxLength(2)
param ingressAddresses string[] = [cidrHost(cidrSubnet(workloadSpace, 24, 8), 9), cidrHost(cidrSubnet(workloadSpace, 24, 9), 9)]

@description('Optional. Address of a firewall for the outgoing traffic of the nodes; empty for the load balancer of each cluster.')
param egressAddress string = ''

@description('Optional. Whether the outgoing traffic of the controller has a fixed address, through a NAT gateway.')
param fixedEgress bool = false

@description('Optional. Whether images can be pushed from the internet, always with authentication; clusters and controller use the private endpoint in any case.')
param publicRegistry bool = false

@description('Optional. Whether a deleted vault reserves its name for its whole retention; turn it off for environments that are deleted and created again.')
param purgeProtection bool = false

@description('Optional. Name of the certificate of the app in the vault; without one the gateways serve HTTP only. Import it after the first deployment, then deploy again.')
@maxLength(127)
param certificate string = ''

@description('Optional. Host name for users, a CNAME of the Traffic Manager name; by default the Traffic Manager name itself.')
@maxLength(253)
param hostName string = ''

@description('Optional. Path of the app\'s health endpoint.')
param healthPath string = '/healthz'

@description('Optional. TTL of the DNS answer of Traffic Manager in seconds: users may stay on the previous color that long after a switch.')
@minValue(10)
@maxValue(300)
param ttl int = 10

@description('Optional. Public SSH key of the jump host; without one there is neither jump host nor Bastion.')
param sshPublicKey string = ''

@description('Optional. Size of the jump host.')
param jumpHostSize string = 'Standard_B2s'

@description('Optional. Whether the jump host exists: it is then kept as it is, because Azure refuses another SSH key or cloud-init for it; the scripts read it from Azure.')
param jumpHostExists bool = false

@description('Optional. Retention of logs in days.')
@minValue(30)
@maxValue(730)
param logDays int = 30

@description('Optional. Maximum gigabytes of logs a day; -1 is no limit.')
@minValue(-1)
param logGigabytes int = -1

@description('Optional. Object id of the operators: they administer clusters, push images, manage the certificate, sign in to the jump host.')
param operatorId string = ''

@description('Optional. Principal type of the operators\' object id.')
@allowed(['Group', 'ServicePrincipal', 'User'])
param operatorType string = 'Group'

@description('Optional. Redundancy of the storage account of the controller: Standard_LRS for regions without availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_ZRS'

@description('Optional. Whether the instances of the controller are spread over availability zones, by default if zones are given; turn it off in regions where Flex Consumption has none.')
param zoneRedundant bool = storageSku == 'Standard_ZRS' && !empty(zones)

@description('Optional. Client id of the app registration for secure alert delivery; without it there is neither authentication nor an action group.')
param alertApp string = ''

@description('Optional. Object id of that app registration, which is not that of its service principal.')
param alertAppObjectId string = ''

@description('Optional. Who may use the API: what function keys allow, and which applications may sign in.')
param access accessOptions = {}

@description('Optional. Secrets of checks and of channels, which become app settings. The identity of the controller needs the role Key Vault Secrets User on their vault.')
param secretSettings secretSetting[] = []

@description('Optional. Always-ready instances for HTTP functions, which include alerts.')
@minValue(0)
@maxValue(10)
param alwaysReady int = 0

@description('Optional. Whether to create an Event Grid topic for the outcomes of releases.')
param outcomeTopic bool = false

@description('Optional. Resource id of an action group that reaches people when the controller itself is silent for five minutes.')
param peopleActionGroupId string = ''

@description('Optional. Whether this is a preview by an identity that may only read: the system topic of the registry is left out, because Azure refuses it falsely to such an identity.')
param preview bool = false

var colors = ['blue', 'green']
var days = ['Tuesday', 'Thursday']
var suffix = uniqueString(subscription().id, groupName, name)
var networkName = 'vnet-${name}'
var operationsName = 'vnet-${name}-operations'
var registryName = 'cr${name}${suffix}'
var vaultName = 'kv-${name}-${take(suffix, 8)}'
var profileName = 'tm-${name}'
var certificateUrl = empty(certificate) ? '' : 'https://${vaultName}${environment().suffixes.keyvaultDns}/secrets/${certificate}'
var jump = !empty(sshPublicKey)

// Ids that names and scopes depend on are built here, not taken from modules: what-if cannot
// evaluate module outputs.
var here = subscription().subscriptionId
var networkId = resourceId(here, groupName, 'Microsoft.Network/virtualNetworks', networkName)
var storageZoneIds = [for part in ['blob', 'queue', 'table']: resourceId(here, groupName, 'Microsoft.Network/privateDnsZones', 'privatelink.${part}.${environment().suffixes.storage}')]
var registryId = resourceId(here, groupName, 'Microsoft.ContainerRegistry/registries', registryName)
var profileId = resourceId(here, groupName, 'Microsoft.Network/trafficManagerProfiles', profileName)
var clusterIds = [for c in colors: resourceId(here, groupName, 'Microsoft.ContainerService/managedClusters', 'aks-${name}-${c}')]
var publicIpIds = [for c in colors: resourceId(here, groupName, 'Microsoft.Network/publicIPAddresses', 'pip-agw-${name}-${c}')]

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
  tags: tags
}

module logs 'modules/logs.bicep' = {
  name: '${name}-logs'
  scope: group
  params: { name: 'log-${name}', ruleName: 'dcr-${name}', location: location, tags: tags, days: logDays, dailyGigabytes: logGigabytes }
}

module nat 'modules/nat.bicep' = if (fixedEgress) {
  name: '${name}-nat'
  scope: group
  params: { name: 'nat-${name}', location: location, tags: tags, zones: zones }
}

module network 'modules/network.bicep' = {
  name: '${name}-network'
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    addressSpace: workloadSpace
    egressAddress: egressAddress
    natGatewayId: fixedEgress ? nat!.outputs.id : ''
  }
}

module jumpNat 'modules/nat.bicep' = if (jump) {
  name: '${name}-jump-nat'
  scope: group
  params: { name: 'nat-${name}-jump', location: location, tags: tags, zones: zones }
}

module operations 'modules/operations.bicep' = {
  name: '${name}-operations'
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    addressSpace: operationsSpace
    workloadSpace: workloadSpace
    natGatewayId: jump ? jumpNat!.outputs.id : ''
  }
}

module toOperations 'modules/peering.bicep' = {
  name: '${name}-to-operations'
  scope: group
  params: { name: networkName, remoteName: operationsName }
  dependsOn: [network, operations]
}

// Azure refuses to change both sides of a peering at the same time, or a side during the
// creation of a resource in its network: these resources depend on the peerings.
module toWorkload 'modules/peering.bicep' = {
  name: '${name}-to-workload'
  scope: group
  params: { name: operationsName, remoteName: networkName }
  dependsOn: [toOperations]
}

module zonesOfNames 'modules/zones.bicep' = {
  name: '${name}-zones'
  scope: group
  params: { location: location, tags: tags, workloadNetwork: networkName, operationsNetwork: operationsName, topics: outcomeTopic }
  dependsOn: [toWorkload]
}

module registry 'modules/registry.bicep' = {
  name: '${name}-registry'
  scope: group
  params: {
    name: registryName
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    sku: 'Premium'
    public: publicRegistry
    zoneRedundant: !empty(zones)
  }
}

module registryEndpoint 'modules/endpoint.bicep' = {
  name: '${name}-registry-endpoint'
  scope: group
  params: {
    name: 'pep-${name}-registry'
    location: location
    tags: tags
    targetId: registry.outputs.id
    part: 'registry'
    subnetId: '${operations.outputs.id}/subnets/snet-endpoints'
    zoneId: zonesOfNames.outputs.registry
  }
}

module vault 'modules/vault.bicep' = {
  name: '${name}-vault'
  scope: group
  params: { name: vaultName, location: location, tags: tags, workspaceId: logs.outputs.id, public: false, purgeProtection: purgeProtection }
}

module vaultEndpoint 'modules/endpoint.bicep' = {
  name: '${name}-vault-endpoint'
  scope: group
  params: {
    name: 'pep-${name}-vault'
    location: location
    tags: tags
    targetId: vault.outputs.id
    part: 'vault'
    subnetId: '${operations.outputs.id}/subnets/snet-endpoints'
    zoneId: zonesOfNames.outputs.vault
  }
  dependsOn: [registryEndpoint] // while a subnet takes in an endpoint, Azure may refuse it the next
}

module identities 'modules/cluster-identity.bicep' = [for c in colors: {
  name: '${name}-identity-${c}'
  scope: group
  params: {
    name: 'aks-${name}-${c}'
    location: location
    tags: tags
    networkName: networkName
    subnetNames: ['snet-nodes-${c}', 'snet-ingress-${c}']
    routeTableName: 'rt-${name}-${c}'
    zoneName: 'privatelink.${toLower(replace(location, ' ', ''))}.azmk8s.io'
    registryName: registryName
  }
  dependsOn: [network, registry, zonesOfNames]
}]

// Nodes pull images through the private name, so the endpoint is created before them.
module cluster 'modules/cluster.bicep' = [for (c, i) in colors: {
  name: '${name}-cluster-${c}'
  scope: group
  params: {
    name: 'aks-${name}-${c}'
    location: location
    tags: union(tags, { color: c })
    workspaceId: logs.outputs.id
    collectionRuleId: logs.outputs.ruleId
    size: clusters
    zones: zones
    version: kubernetesVersion
    scaledPools: scaledPools
    identityId: identities[i].outputs.id
    kubelet: identities[i].outputs.kubelet
    subnetId: '${network.outputs.id}/subnets/snet-nodes-${c}'
    zoneId: zonesOfNames.outputs.cluster
    routedEgress: !empty(egressAddress)
  }
  dependsOn: [registryEndpoint, toWorkload]
}]

module care 'modules/cluster-care.bicep' = [for (c, i) in colors: {
  name: '${name}-care-${c}'
  scope: group
  params: { name: 'aks-${name}-${c}', workspaceId: logs.outputs.id, day: days[i] }
  dependsOn: [cluster]
}]

module frontend 'modules/frontend.bicep' = [for c in colors: {
  name: '${name}-frontend-${c}'
  scope: group
  params: {
    name: 'agw-${name}-${c}'
    location: location
    tags: union(tags, { color: c })
    workspaceId: logs.outputs.id
    label: 'agw-${name}-${c}-${suffix}'
    zones: zones
    firewall: gateways.firewall
    vaultName: vaultName
    certified: !empty(certificate)
  }
  dependsOn: [vault]
}]

module gateway 'modules/gateway.bicep' = [for (c, i) in colors: {
  name: '${name}-gateway-${c}'
  scope: group
  params: {
    name: 'agw-${name}-${c}'
    location: location
    tags: union(tags, { color: c })
    workspaceId: logs.outputs.id
    subnetId: '${network.outputs.id}/subnets/snet-gateway-${c}'
    frontend: frontend[i].outputs.made
    size: gateways
    zones: zones
    certificateUrl: certificateUrl
    pools: [{ color: i == 0 ? 'blue' : 'green', address: ingressAddresses[i] }]
    live: i == 0 ? 'blue' : 'green'
    healthPath: healthPath
    healthHost: empty(hostName) ? '127.0.0.1' : hostName
  }
  dependsOn: [vaultEndpoint, toWorkload]
}]

module trafficManager 'modules/traffic-manager.bicep' = {
  name: '${name}-traffic-manager'
  scope: group
  params: {
    name: profileName
    tags: tags
    workspaceId: logs.outputs.id
    relativeName: 'tm-${name}-${suffix}'
    live: live
    blueId: frontend[0].outputs.made.publicIpId
    greenId: frontend[1].outputs.made.publicIpId
    ttl: ttl
    secure: !empty(certificate)
    healthPath: healthPath
    healthHost: hostName
  }
}

module bastion 'modules/bastion.bicep' = if (jump) {
  name: '${name}-bastion'
  scope: group
  params: { name: 'bas-${name}', location: location, tags: tags, workspaceId: logs.outputs.id, subnetId: '${operations.outputs.id}/subnets/AzureBastionSubnet', zones: zones }
  dependsOn: [toWorkload]
}

module jumpHost 'modules/jump-host.bicep' = if (jump) {
  name: '${name}-jump-host'
  scope: group
  params: {
    name: 'vm-${name}-jump'
    location: location
    tags: tags
    subnetId: '${operations.outputs.id}/subnets/snet-jump'
    vmSize: jumpHostSize
    adminName: 'jump'
    sshPublicKey: sshPublicKey
    exists: jumpHostExists
    workspaceId: logs.outputs.id
  }
  dependsOn: [toWorkload]
}

module operators 'modules/operators.bicep' = if (!empty(operatorId)) {
  name: '${name}-operators'
  scope: group
  params: { principalId: operatorId, principalType: operatorType }
}

module controller 'modules/controller.bicep' = {
  name: '${name}-controller'
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    network: {
      appSubnetId: '${networkId}/subnets/snet-functions'
      endpointSubnetId: '${networkId}/subnets/snet-endpoints'
      blobZoneId: storageZoneIds[0]
      queueZoneId: storageZoneIds[1]
      tableZoneId: storageZoneIds[2]
      topicZoneId: outcomeTopic ? resourceId(here, groupName, 'Microsoft.Network/privateDnsZones', 'privatelink.eventgrid.azure.net') : ''
    }
    registry: { id: registryId, withoutTopic: preview }
    storageSku: storageSku
    alertApp: alertApp
    alertAppObjectId: alertAppObjectId
    access: access
    secretSettings: secretSettings
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
    outcomeTopic: outcomeTopic
  }
  dependsOn: [registry, zonesOfNames]
}

module heartbeat 'modules/heartbeat.bicep' = {
  name: '${name}-heartbeat'
  scope: group
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: logs.outputs.id
    appName: controller.outputs.appName
    peopleActionGroupId: peopleActionGroupId
  }
}

module roles 'roles.bicep' = {
  name: '${name}-roles-${uniqueString(suffix, location)}' // one name is one region's in a subscription
  params: {
    name: name
    groupName: groupName
    principalId: controller.outputs.principalId
    registryId: registryId
    clusterIds: clusterIds
    trafficManagerId: profileId
    trafficManagerPublicIpIds: publicIpIds
    registryTopicPrincipalId: controller.outputs.registryTopicPrincipalId
    outcomeTopic: outcomeTopic
  }
  dependsOn: [registry, cluster, frontend, trafficManager]
}

module alerts 'modules/alerts.bicep' = [for (c, i) in colors: {
  name: '${name}-alerts-${c}'
  scope: group
  params: {
    name: app
    tags: tags
    gatewayId: gateway[i].outputs.id
    location: location
    pools: [{ color: i == 0 ? 'blue' : 'green', pool: 'pool-${c}', settings: 'settings-app' }]
    gatewayColor: i == 0 ? 'blue' : 'green'
    actionGroupId: controller.outputs.actionGroupId
  }
}]

@description('Resource group of the environment.')
output RESOURCE_GROUP string = group.name

@description('URL for users.')
output APP_URL string = '${empty(certificate) ? 'http' : 'https'}://${empty(hostName) ? trafficManager.outputs.fqdn : hostName}'

@description('Name of Traffic Manager, the target of a CNAME for your own host name.')
output TRAFFIC_MANAGER_FQDN string = trafficManager.outputs.fqdn

@description('Resource id of the Traffic Manager profile, for bluegreen.yaml.')
output TRAFFIC_MANAGER string = profileId

@description('Resource id of the gateway of blue, for bluegreen.yaml.')
output BLUE_GATEWAY string = gateway[0].outputs.id

@description('Resource id of the gateway of green, for bluegreen.yaml.')
output GREEN_GATEWAY string = gateway[1].outputs.id

@description('Public name of the gateway of blue.')
output BLUE_FQDN string = frontend[0].outputs.fqdn

@description('Public name of the gateway of green.')
output GREEN_FQDN string = frontend[1].outputs.fqdn

@description('Address that the Service of blue requests for its internal load balancer.')
output BLUE_INGRESS string = ingressAddresses[0]

@description('Address that the Service of green requests for its internal load balancer.')
output GREEN_INGRESS string = ingressAddresses[1]

@description('Resource id of the cluster of blue, for bluegreen.yaml.')
output BLUE_CLUSTER string = clusterIds[0]

@description('Resource id of the cluster of green, for bluegreen.yaml.')
output GREEN_CLUSTER string = clusterIds[1]

@description('Login server of the registry, for bluegreen.yaml.')
output REGISTRY string = registry.outputs.loginServer

@description('Resource group of the registry, for the deployment of events.bicep.')
output REGISTRY_GROUP string = group.name

@description('Name of the system topic of the registry, for events.bicep.')
output REGISTRY_TOPIC string = controller.outputs.registryTopicName

@description('Name of the subscription to that topic, for events.bicep.')
output EVENT_SUBSCRIPTION string = controller.outputs.eventSubscription

@description('Name of the vault, for the certificate.')
output VAULT string = vault.outputs.name

@description('Name of Bastion; empty if there is none.')
output BASTION string = jump ? bastion!.outputs.name : ''

@description('Resource id of the jump host; empty if there is none.')
output JUMP_HOST_ID string = jump ? jumpHost!.outputs.id : ''

@description('Name of the Function app.')
output FUNCTION_APP string = controller.outputs.appName

@description('Resource id of the Function app, for events.bicep.')
output FUNCTION_APP_ID string = controller.outputs.appId

@description('Host name of the Function app, for BLUEGREEN_URL of the command line.')
output FUNCTION_HOST string = controller.outputs.hostName

@description('Resource id of the storage account of the controller, for events.bicep.')
output STORAGE_ID string = controller.outputs.storageId

@description('Object id of the identity of the controller, for the RoleBinding in each namespace.')
output CONTROLLER_OBJECT_ID string = controller.outputs.principalId

@description('Resource id of the action group, for alert rules of your own; empty without an app registration.')
output ACTION_GROUP_ID string = controller.outputs.actionGroupId

@description('Endpoint of the topic of outcomes, for notify.topic of bluegreen.yaml; empty if there is none.')
output OUTCOME_TOPIC string = controller.outputs.outcomeTopicEndpoint
