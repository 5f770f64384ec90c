// The Log Analytics workspace, and the data collection rule of Container Insights.
import { tagValues } from '../types.bicep'

@description('Required. Name of the workspace.')
@minLength(4)
@maxLength(63)
param name string

@description('Required. Name of the data collection rule.')
@minLength(3)
@maxLength(64)
param ruleName string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Optional. Retention of logs in days.')
@minValue(30)
@maxValue(730)
param days int = 30

@description('Optional. Maximum gigabytes a day; the rest of the day is not ingested; -1 is no limit.')
@minValue(-1)
param dailyGigabytes int = -1

var streams = [
  'Microsoft-ContainerLogV2'
  'Microsoft-KubeEvents'
  'Microsoft-KubePodInventory'
  'Microsoft-KubeNodeInventory'
  'Microsoft-KubeServices'
  'Microsoft-InsightsMetrics'
]

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: days
    workspaceCapping: { dailyQuotaGb: dailyGigabytes }
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource rule 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: ruleName
  location: location
  tags: tags
  kind: 'Linux'
  properties: {
    dataSources: {
      extensions: [
        {
          name: 'ContainerInsightsExtension'
          extensionName: 'ContainerInsights'
          streams: streams
          extensionSettings: {
            dataCollectionSettings: { interval: '1m', namespaceFilteringMode: 'Off', enableContainerLogV2: true }
          }
        }
      ]
    }
    destinations: { logAnalytics: [{ name: 'workspace', workspaceResourceId: workspace.id }] }
    dataFlows: [{ streams: streams, destinations: ['workspace'] }]
  }
}

@description('Resource id of the workspace.')
output id string = workspace.id

@description('Resource id of the data collection rule.')
output ruleId string = rule.id
