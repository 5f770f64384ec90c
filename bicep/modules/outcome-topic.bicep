// The Event Grid topic for the outcomes of releases. With a private DNS zone for it, only the
// network of the controller can publish.
import { networkOptions, tagValues } from '../types.bicep'

@description('Required. Name of the topic.')
@minLength(3)
@maxLength(50)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Optional. Network of the controller; null for a controller with public access.')
param network networkOptions?

var zoneId = network.?topicZoneId ?? ''

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    disableLocalAuth: true
    inputSchema: 'CloudEventSchemaV1_0'
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: empty(zoneId) ? 'Enabled' : 'Disabled'
  }
}

module endpoint 'endpoint.bicep' = if (!empty(zoneId)) {
  name: '${name}-endpoint'
  params: {
    name: 'pep-${name}'
    location: location
    tags: tags
    targetId: topic.id
    part: 'topic'
    subnetId: network!.endpointSubnetId
    zoneId: zoneId
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: topic
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Resource id of the topic.')
output id string = topic.id

@description('Endpoint for publishing events.')
output endpoint string = topic.properties.endpoint
