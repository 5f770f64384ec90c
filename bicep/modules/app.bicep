// The Function app on a Flex Consumption plan.
import { accessOptions, networkOptions, secretSetting, tagValues } from '../types.bicep'

@description('Required. Name of the Function app. The host keeps its locks under the first 32 characters.')
@minLength(2)
@maxLength(32)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Resource id of the identity of the controller.')
param identityId string

@description('Required. Client id of the identity of the controller.')
param clientId string

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Name of Application Insights.')
param insightsName string

@description('Required. URL of the container for the deployed code.')
param codeUrl string

@description('Optional. Network access to private resources; null for a controller with public access.')
param network networkOptions?

@description('Required. Who may use the API.')
param access accessOptions

@description('Optional. Secrets of checks and of channels, which become app settings. The identity of the controller needs the role Key Vault Secrets User on their vault.')
param secretSettings secretSetting[] = []

@description('Optional. Always-ready instances for HTTP functions.')
@minValue(0)
@maxValue(10)
param alwaysReady int = 0

@description('Required. Whether the instances are spread over availability zones.')
param zoneRedundant bool

resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: insightsName }

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    // Event Grid and action groups call from the internet; keys and authentication protect every function.
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: network.?appSubnetId
    functionAppConfig: {
      deployment: {
        storage: { type: 'blobContainer', value: codeUrl, authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId } }
      }
      runtime: { name: 'custom', version: '1.0' }
      scaleAndConcurrency: {
        instanceMemoryMB: 512
        maximumInstanceCount: 40
        alwaysReady: alwaysReady == 0 ? [] : [{ name: 'http', instanceCount: alwaysReady }]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: concat([
        { name: 'AzureWebJobsDisableHomepage', value: 'true' }
        { name: 'AzureWebJobsStorage__accountName', value: storageName }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: clientId }
        { name: 'AZURE_CLIENT_ID', value: clientId }
        { name: 'BLUEGREEN_CONFIG', value: 'bluegreen.yaml' }
        { name: 'BLUEGREEN_KEYS_MAY', value: access.?keysMay ?? 'operator' }
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insights.properties.ConnectionString }
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${clientId};Authorization=AAD' }
      ], map(secretSettings, s => { name: s.name, value: '@Microsoft.KeyVault(SecretUri=${s.uri})' }))
    }
  }
}

resource ftpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = { parent: app, name: 'ftp', properties: { allow: false } }

resource scmPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = { parent: app, name: 'scm', properties: { allow: false } }

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'workspace'
  properties: { workspaceId: workspaceId, logs: [{ categoryGroup: 'allLogs', enabled: true }], metrics: [{ category: 'AllMetrics', enabled: true }] }
}

@description('Name of the Function app.')
output name string = app.name
@description('Resource id of the Function app.')
output id string = app.id
@description('Host name of the Function app.')
output hostName string = app.properties.defaultHostName
