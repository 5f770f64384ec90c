// Alert rules of one Application Gateway, by pool and for the gateway as a whole. They are
// stateless: a stateful rule could stay fired after a bad release, because its pool no longer
// gets requests and probes, and would then send no alert for the next one.
import { color, tagValues, watchedPool } from '../types.bicep'

@description('Required. Prefix of the rules\' names, usually the app: bluegreen.yaml selects alerts by the names of their rules.')
@minLength(1)
@maxLength(40)
param name string

@description('Required. Tags of the rules.')
param tags tagValues

@description('Required. Resource id of the Application Gateway.')
param gatewayId string

@description('Required. The monitored pools, at most one for each color.')
param pools watchedPool[]

@description('Optional. The color of the whole gateway, if each color has its own; null if both share it.')
param gatewayColor color?

@description('Optional. Resource id of the action group of the rules; none by default.')
param actionGroupId string = ''

@description('Optional. Severity of the rules about failed requests, 0 (critical) to 4.')
@minValue(0)
@maxValue(4)
param errorSeverity int = 1

@description('Optional. Severity of the rules about unhealthy hosts and latency, 0 (critical) to 4.')
@minValue(0)
@maxValue(4)
param warningSeverity int = 2

@description('Optional. Failed requests (5xx) in five minutes that are tolerated.')
@minValue(0)
param tolerated5xx int = 20

@description('Optional. Tolerated mean time to the last byte of an answer, in milliseconds.')
@minValue(1)
param toleratedLatency int = 1000

// Responses of a pool's servers, without those that the gateway generates. A pool without
// servers counts as unhealthy only while it gets requests: an idle color is scaled down, and
// would cause an alert every minute.
var poolRules = [for p in pools: [
  {
    name: '${p.color}-backend-5xx'
    severity: errorSeverity
    limits: [{ metric: 'BackendResponseStatus', aggregation: 'Total', threshold: tolerated5xx, dimensions: [{ name: 'BackendPool', values: [p.pool] }, { name: 'HttpStatusGroup', values: ['5xx'] }] }]
  }
  {
    name: '${p.color}-unhealthy'
    severity: warningSeverity
    limits: [
      { metric: 'UnhealthyHostCount', aggregation: 'Average', threshold: 0, dimensions: [{ name: 'BackendSettingsPool', values: ['${p.pool}~${p.settings}'] }] }
      { metric: 'TotalRequests', aggregation: 'Total', threshold: 0, dimensions: [{ name: 'BackendSettingsPool', values: ['${p.pool}~${p.settings}'] }] }
    ]
  }
  {
    name: '${p.color}-latency'
    severity: warningSeverity
    limits: [{ metric: 'BackendLastByteResponseTime', aggregation: 'Average', threshold: toleratedLatency, dimensions: [{ name: 'BackendPool', values: [p.pool] }] }]
  }
]]

// Responses of the gateway, including its own 502 and 504 for a pool without servers.
var gatewayRules = [
  {
    name: '${gatewayColor ?? 'both'}-gateway-5xx'
    severity: errorSeverity
    limits: [{ metric: 'ResponseStatus', aggregation: 'Total', threshold: tolerated5xx, dimensions: [{ name: 'HttpStatusGroup', values: ['5xx'] }] }]
  }
]

// A rule fires only if all its criteria are met.
resource rules 'Microsoft.Insights/metricAlerts@2018-03-01' = [for r in concat(flatten(poolRules), gatewayRules): {
  name: '${name}-${take(last(split(gatewayId, '/')), 80)}-${r.name}'
  location: 'global'
  tags: tags
  properties: {
    description: '${r.limits[0].metric} of ${last(split(gatewayId, '/'))} for ${name}'
    severity: r.severity
    enabled: true
    autoMitigate: false
    scopes: [gatewayId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: map(r.limits, l => {
        criterionType: 'StaticThresholdCriterion'
        name: toLower(l.metric)
        metricNamespace: 'Microsoft.Network/applicationGateways'
        metricName: l.metric
        timeAggregation: l.aggregation
        operator: 'GreaterThan'
        threshold: l.threshold
        dimensions: map(l.dimensions, d => { name: d.name, operator: 'Include', values: d.values })
      })
    }
    actions: empty(actionGroupId) ? [] : [{ actionGroupId: actionGroupId, webHookProperties: { 'bluegreen.app': name } }]
  }
}]
