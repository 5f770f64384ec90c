// The controller: its identity, storage, Function app, system topic and action group.
import { networkOptions, registryOptions, tagValues } from '../types.bicep'

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

@description('Optional. Always-ready instances for HTTP functions, which include alerts.')
param alwaysReady int = 0

@description('Optional. Redundancy of the storage account: Standard_LRS for regions without availability zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param storageSku string = 'Standard_ZRS'

@description('Optional. Whether to create an Event Grid topic for the outcomes of releases.')
param outcomeTopic bool = false

var suffix = uniqueString(subscription().id, resourceGroup().name, name)
var storageName = 'st${name}${take(suffix, 10)}'
var insightsName = 'appi-${name}-${suffix}'
var appName = 'func-${name}-${suffix}'
var registryTopic = registry.?topicName ?? 'registry-${name}-${uniqueString(registry.id)}'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${name}-controller'
  location: location
  tags: tags
}

module storage 'storage.bicep' = {
  name: '${name}-storage'
  params: { name: storageName, location: location, tags: tags, workspaceId: workspaceId, sku: storageSku, network: network }
}

module insights 'insights.bicep' = {
  name: '${name}-insights'
  params: { name: insightsName, location: location, tags: tags, workspaceId: workspaceId }
}

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
    alwaysReady: alwaysReady
  }
  dependsOn: [insights]
}

module actionGroup 'action-group.bicep' = if (!empty(alertApp)) {
  name: '${name}-action-group'
  params: { name: name, tags: tags, appName: appName, hostName: app.outputs.hostName, alertApp: alertApp, alertAppObjectId: alertAppObjectId }
}

module topic 'topic.bicep' = {
  name: '${name}-registry-topic'
  scope: resourceGroup(split(registry.id, '/')[2], split(registry.id, '/')[4])
  params: { name: registryTopic, location: registry.?location ?? location, tags: tags, registryId: registry.id, workspaceId: workspaceId }
}

module outcomes 'outcome-topic.bicep' = if (outcomeTopic) {
  name: '${name}-outcomes'
  params: { name: 'outcomes-${name}-${suffix}', location: location, tags: tags, workspaceId: workspaceId }
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
output registryTopicName string = topic.outputs.name
@description('Object id of the identity of that topic, which writes dead letters.')
output registryTopicPrincipalId string = topic.outputs.principalId
@description('Resource id of the action group; empty without an app registration.')
output actionGroupId string = empty(alertApp) ? '' : actionGroup!.outputs.id
@description('Endpoint of the topic of outcomes, for notify.topic of bluegreen.yaml; empty if there is none.')
output outcomeTopicEndpoint string = outcomeTopic ? outcomes!.outputs.endpoint : ''
