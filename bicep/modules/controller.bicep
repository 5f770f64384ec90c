// The controller: its identity, storage, Function app, topics and action group.
import { accessOptions, networkOptions, registryOptions, secretSetting, tagValues } from '../types.bicep'

@description('Required. Base of all names.')
@minLength(3)
@maxLength(12)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Optional. Network access to private resources; null for a controller with public access.')
param network networkOptions?

@description('Required. The registry whose pushes start releases.')
param registry registryOptions

@description('Optional. Client id of the app registration for secure alert delivery; without it there is neither authentication nor an action group.')
param alertApp string = ''

@description('Optional. Object id of that app registration, not of its service principal.')
param alertAppObjectId string = ''

@description('Optional. Who may use the API: what function keys allow, and which applications may sign in.')
param access accessOptions = {}

@description('Optional. Secrets of checks and of channels, which become app settings. The identity of the controller needs the role Key Vault Secrets User on their vault.')
param secretSettings secretSetting[] = []

@description('Optional. Always-ready instances for HTTP functions, which include alerts.')
param alwaysReady int = 0

@description('Optional. Redundancy of the storage account: Standard_LRS for regions without availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_ZRS'

@description('Required. Whether the instances are spread over availability zones, which Standard_ZRS requires.')
param zoneRedundant bool

@description('Optional. Whether to create an Event Grid topic for the outcomes of releases.')
param outcomeTopic bool = false

var suffix = uniqueString(subscription().id, resourceGroup().name, name)
var storageName = 'st${name}${take(suffix, 10)}'
var insightsName = 'appi-${name}-${suffix}'
var appName = 'func-${name}-${suffix}'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = { name: 'id-${name}-controller', location: location, tags: tags }

module storage 'storage.bicep' = {
  name: '${name}-storage'
  params: { name: storageName, location: location, tags: tags, workspaceId: workspaceId, sku: storageSku, network: network }
}

module storageRoles 'storage-roles.bicep' = {
  name: '${name}-storage-roles'
  params: { name: storageName, identityId: identity.id, principalId: identity.properties.principalId }
  dependsOn: [storage]
}

module insights 'insights.bicep' = { name: '${name}-insights', params: { name: insightsName, location: location, tags: tags, workspaceId: workspaceId } }

module app 'app.bicep' = {
  name: '${name}-app'
  params: {
    name: appName
    location: location
    tags: tags
    workspaceId: workspaceId
    identityId: identity.id
    clientId: identity.properties.clientId
    insightsName: insightsName
    storageName: storageName
    codeUrl: storage.outputs.codeUrl
    network: network
    access: access
    secretSettings: secretSettings
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
  }
  dependsOn: [insights, storageRoles]
}

module actionGroup 'action-group.bicep' = if (!empty(alertApp)) {
  name: '${name}-action-group'
  params: { name: name, tags: tags, appName: appName, hostName: app.outputs.hostName, access: access, alertApp: alertApp, alertAppObjectId: alertAppObjectId }
}

module events 'controller-events.bicep' = {
  name: '${name}-events'
  params: { name: name, location: location, tags: tags, workspaceId: workspaceId, network: network, registry: registry, outcomeTopic: outcomeTopic }
  dependsOn: [storage] // private endpoints of both are in one subnet
}

@description('Name of the Function app.')
output appName string = app.outputs.name
@description('Resource id of the Function app.')
output appId string = app.outputs.id
@description('Host name of the Function app.')
output hostName string = app.outputs.hostName
@description('Object id of the identity of the controller.')
output principalId string = identity.properties.principalId
@description('Resource id of the storage account.')
output storageId string = storage.outputs.id
@description('Name of the Event Grid system topic of the registry.')
output registryTopicName string = events.outputs.registryTopicName
@description('Name of the subscription to that topic, a different one for each environment.')
output eventSubscription string = events.outputs.eventSubscription
@description('Object id of the identity of that topic, which writes dead letters.')
output registryTopicPrincipalId string = events.outputs.registryTopicPrincipalId
@description('Resource id of the action group; empty without an app registration.')
output actionGroupId string = empty(alertApp) ? '' : actionGroup!.outputs.id
@description('Endpoint of the topic of outcomes, for notify.topic of bluegreen.yaml; empty if there is none.')
output outcomeTopicEndpoint string = events.outputs.outcomeTopicEndpoint
