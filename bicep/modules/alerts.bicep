// Alert rules of one Application Gateway, by pool and for the gateway as a whole. They are
// stateless: a stateful rule could stay fired after a bad release, because its pool no longer
// gets requests and probes, and would then send no alert for the next one.
//
// What anyone can cause with requests of their own counts as a share of all requests, and only
// where there are enough of them: a few requests for a URL that fails must not move traffic. No
// metric rule can divide, so the access log is searched, which is some minutes behind. The fast
// rules are those of health-alerts.bicep, which requests from outside cannot cause.
import { color, tagValues, watchedPool } from '../types.bicep'

@description('Required. Prefix of the rules\' names, usually the app: bluegreen.yaml selects alerts by the names of their rules.')
@minLength(1)
@maxLength(40)
param name string

@description('Required. Tags of the rules.')
param tags tagValues

@description('Required. Resource id of the Application Gateway. It sends its access log to a workspace, in resource-specific mode (the table AGWAccessLogs).')
param gatewayId string

@description('Required. Azure region of the Application Gateway: rules that search its log are made there.')
param location string

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

@description('Optional. Share of requests that may fail (5xx) within five minutes, in percent.')
@minValue(0)
@maxValue(99)
param toleratedShare int = 5

@description('Optional. Share of requests that may be slow within five minutes, in percent.')
@minValue(0)
@maxValue(99)
param toleratedSlowShare int = 25

@description('Optional. An answer of a server that takes longer is slow, in milliseconds.')
@minValue(1)
param toleratedLatency int = 1000

@description('Optional. Requests within five minutes below which a share says nothing.')
@minValue(1)
param leastRequests int = 100

var gatewayName = take(last(split(gatewayId, '/')), 80)
var failed = 'HttpStatus >= 500'
var slow = '1000 * ServerResponseLatency > ${toleratedLatency}'

// Answers to users, the gateway's own 502 and 504 for a pool without servers among them.
var poolShares = [for p in pools: [
  { name: '${p.color}-backend-5xx', severity: errorSeverity, tolerated: toleratedShare, measure: 'PercentFailed', pools: [p.pool], bad: failed }
  { name: '${p.color}-latency', severity: warningSeverity, tolerated: toleratedSlowShare, measure: 'PercentSlow', pools: [p.pool], bad: slow }
]]

// Requests that no pool is named for count here.
var gatewayShares = [
  { name: '${gatewayColor ?? 'both'}-gateway-5xx', severity: errorSeverity, tolerated: toleratedShare, measure: 'PercentFailed', pools: [], bad: failed }
]

resource shares 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for r in concat(flatten(poolShares), gatewayShares): {
  name: '${name}-${gatewayName}-${r.name}'
  location: location
  tags: tags
  properties: {
    description: '${r.measure} of the requests at ${gatewayName} for ${name}'
    severity: r.severity
    enabled: true
    autoMitigate: false
    skipQueryValidation: true // the table is made with its first row
    scopes: [gatewayId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      allOf: [
        {
          query: empty(r.pools)
            ? 'AGWAccessLogs | summarize Requests = count(), Bad = countif(${r.bad}) | where Requests >= ${leastRequests} | project ${r.measure} = 100.0 * Bad / Requests'
            : 'AGWAccessLogs | where BackendPoolName =~ "${r.pools[0]}" | summarize Requests = count(), Bad = countif(${r.bad}) by BackendPool = BackendPoolName | where Requests >= ${leastRequests} | project BackendPool, ${r.measure} = 100.0 * Bad / Requests'
          metricMeasureColumn: r.measure
          timeAggregation: 'Maximum'
          dimensions: empty(r.pools) ? [] : [{ name: 'BackendPool', operator: 'Include', values: ['*'] }]
          operator: 'GreaterThan'
          threshold: r.tolerated
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: empty(actionGroupId) ? {} : { actionGroups: [actionGroupId], customProperties: { 'bluegreen.app': name } }
  }
}]

module health 'health-alerts.bicep' = {
  name: 'health-${uniqueString(gatewayId, name)}'
  params: {
    name: name
    tags: tags
    gatewayId: gatewayId
    pools: pools
    severity: warningSeverity
    actionGroupId: actionGroupId
  }
}
