// Reports the silence of the controller itself: its clock ends well every minute, and the rule
// fires when no such end has arrived for five minutes, whatever the reason. It tells people: the
// controller could do nothing about it.
import { tagValues } from '../types.bicep'

@description('Required. Base of all names.')
@minLength(3)
@maxLength(12)
param name string

@description('Required. Azure region of the workspace.')
param location string

@description('Required. Tags of the rule.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace with the telemetry of the host.')
param workspaceId string

@description('Required. Name of the Function app.')
@minLength(2)
@maxLength(32)
param appName string

@description('Optional. Resource id of an action group that reaches people; without it the rule is seen in the portal only.')
param peopleActionGroupId string = ''

resource silence 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${name}-clock-silent'
  location: location
  tags: tags
  properties: {
    description: 'bluegreen (${appName}) has not ticked for five minutes: lost events, deadlines and bakes wait. Look at the function clock-tick.'
    severity: 1
    enabled: true
    autoMitigate: true
    skipQueryValidation: true // the table is made with its first row
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M' // rows arrive some minutes late; what counts is when they arrive
    criteria: {
      allOf: [
        {
          query: 'AppRequests | where AppRoleName =~ "${appName}" and Name == "clock-tick" and Success | where ingestion_time() > ago(5m)'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: empty(peopleActionGroupId) ? {} : { actionGroups: [peopleActionGroupId] }
  }
}
