// The controller for two clusters behind one Application Gateway. Replace the ids with your own.
using 'controller.bicep'

var shop = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-shop/providers'

param name = readEnvironmentVariable('BLUEGREEN_NAME', 'bluegreen')
param groupName = readEnvironmentVariable('RESOURCE_GROUP', 'rg-bluegreen')
param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'bluegreen') }
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param workspaceId = '${shop}/Microsoft.OperationalInsights/workspaces/log-shop'
param registry = { id: '${shop}/Microsoft.ContainerRegistry/registries/shopacr' }
param clusterIds = [
  '${shop}/Microsoft.ContainerService/managedClusters/aks-blue'
  '${shop}/Microsoft.ContainerService/managedClusters/aks-green'
]
param applicationGateways = [
  {
    id: '${shop}/Microsoft.Network/applicationGateways/agw-shop'
    subnetId: '${shop}/Microsoft.Network/virtualNetworks/vnet-shop/subnets/gateway'
    publicIpIds: ['${shop}/Microsoft.Network/publicIPAddresses/pip-shop']
    identityIds: ['${shop}/Microsoft.ManagedIdentity/userAssignedIdentities/id-agw-shop']
    wafPolicyIds: ['${shop}/Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/waf-shop']
  }
]
param watched = [
  {
    id: '${shop}/Microsoft.Network/applicationGateways/agw-shop'
    app: 'podinfo'
    pools: [
      { color: 'blue', pool: 'pool-blue', settings: 'set-podinfo' }
      { color: 'green', pool: 'pool-green', settings: 'set-podinfo' }
    ]
  }
]
param preview = bool(readEnvironmentVariable('BLUEGREEN_PREVIEW', 'false'))
param alertApp = readEnvironmentVariable('BLUEGREEN_ALERT_APP', '')
param alertAppObjectId = readEnvironmentVariable('BLUEGREEN_ALERT_APP_OBJECT_ID', '')
param alwaysReady = 1 // an alert must be answered within seconds
