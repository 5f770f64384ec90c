// The Event Grid topics of the controller: the system topic of the registry, and its own topic
// of the outcomes of releases.
import { networkOptions, registryOptions, tagValues } from '../types.bicep'

@description('Required. Base of all names.')
@minLength(3)
@maxLength(12)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of the topic of outcomes.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Optional. Network access to private resources; null for a controller with public access.')
param network networkOptions?

@description('Required. The registry whose pushes start releases.')
param registry registryOptions

@description('Required. Whether to create a topic for the outcomes of releases.')
param outcomeTopic bool

var suffix = uniqueString(subscription().id, resourceGroup().name, name)
var eventSubscription = 'image-pushed-${name}-${suffix}'
var registryTopic = registry.?topicName ?? 'registry-${uniqueString(toLower(registry.id))}'

module topic 'topic.bicep' = {
  name: '${name}-registry-topic-${suffix}'
  scope: resourceGroup(split(registry.id, '/')[2], split(registry.id, '/')[4])
  params: {
    name: registryTopic
    write: empty(registry.?topicName) && !(registry.?withoutTopic ?? false)
    location: registry.?location ?? location
    registryId: registry.id
    workspaceId: workspaceId
    settingName: eventSubscription
  }
}

module outcomes 'outcome-topic.bicep' = if (outcomeTopic) {
  name: '${name}-outcomes'
  params: { name: 'outcomes-${name}-${suffix}', location: location, tags: tags, workspaceId: workspaceId, network: network }
}

@description('Name of the Event Grid system topic of the registry.')
output registryTopicName string = registryTopic

@description('Name of the subscription to that topic, a different one for each environment.')
output eventSubscription string = eventSubscription

@description('Object id of the identity of that topic, which writes dead letters.')
output registryTopicPrincipalId string = topic.outputs.principalId

@description('Endpoint of the topic of outcomes; empty if there is none.')
output outcomeTopicEndpoint string = outcomeTopic ? outcomes!.outputs.endpoint : ''
