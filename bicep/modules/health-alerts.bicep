// Alert rules on the health of the pools of one Application Gateway, by its own probes: they fire
// within minutes, and requests of users do not make them fire.
import { tagValues, watchedPool } from '../types.bicep'

@description('Required. Prefix of the rules\' names, usually the app.')
@minLength(1)
@maxLength(40)
param name string

@description('Required. Tags of the rules.')
param tags tagValues

@description('Required. Resource id of the Application Gateway.')
param gatewayId string

@description('Required. The monitored pools, at most one for each color.')
param pools watchedPool[]

@description('Required. Severity of the rules, 0 (critical) to 4.')
@minValue(0)
@maxValue(4)
param severity int

@description('Optional. Resource id of the action group of the rules; none by default.')
param actionGroupId string = ''

// A pool without servers counts as unhealthy only while it gets requests: an idle color is scaled
// down, and would cause an alert every minute. A rule fires only if all its criteria are met.
resource unhealthy 'Microsoft.Insights/metricAlerts@2018-03-01' = [for p in pools: {
  name: '${name}-${take(last(split(gatewayId, '/')), 80)}-${p.color}-unhealthy'
  location: 'global'
  tags: tags
  properties: {
    description: 'UnhealthyHostCount of ${last(split(gatewayId, '/'))} for ${name}'
    severity: severity
    enabled: true
    autoMitigate: false
    scopes: [gatewayId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: map([{ metric: 'UnhealthyHostCount', aggregation: 'Average' }, { metric: 'TotalRequests', aggregation: 'Total' }], l => {
        criterionType: 'StaticThresholdCriterion'
        name: toLower(l.metric)
        metricNamespace: 'Microsoft.Network/applicationGateways'
        metricName: l.metric
        timeAggregation: l.aggregation
        operator: 'GreaterThan'
        threshold: 0
        dimensions: [{ name: 'BackendSettingsPool', operator: 'Include', values: ['${p.pool}~${p.settings}'] }]
      })
    }
    actions: empty(actionGroupId) ? [] : [{ actionGroupId: actionGroupId, webHookProperties: { 'bluegreen.app': name } }]
  }
}]
