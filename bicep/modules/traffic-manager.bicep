// The Traffic Manager profile in front of the gateways. Only the live color's endpoint is
// enabled: Traffic Manager can never fail over to an unverified version.
import { color, tagValues } from '../types.bicep'

@description('Required. Name of the profile.')
@minLength(1)
@maxLength(63)
param name string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Name below the domain of Traffic Manager, globally unique.')
@minLength(1)
@maxLength(63)
param relativeName string

@description('Required. The live color.')
param live color

@description('Required. Id of the public address of blue, which has a DNS label.')
param blueId string

@description('Required. Id of the public address of green, which has a DNS label.')
param greenId string

@description('Required. TTL of a DNS answer in seconds.')
@minValue(0)
@maxValue(3600)
param ttl int

@description('Required. Whether health probes use HTTPS.')
param secure bool

@description('Required. Path of the health endpoint behind a gateway.')
param healthPath string

@description('Optional. Host header of health probes; by default the address of the endpoint.')
param healthHost string = ''

resource profile 'Microsoft.Network/trafficManagerProfiles@2022-04-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    profileStatus: 'Enabled'
    trafficRoutingMethod: 'Priority'
    trafficViewEnrollmentStatus: 'Disabled'
    dnsConfig: { relativeName: relativeName, ttl: ttl }
    monitorConfig: {
      protocol: secure ? 'HTTPS' : 'HTTP'
      port: secure ? 443 : 80
      path: healthPath
      intervalInSeconds: 10
      timeoutInSeconds: 5
      toleratedNumberOfFailures: 1
      customHeaders: empty(healthHost) ? [] : [{ name: 'host', value: healthHost }]
      expectedStatusCodeRanges: [{ min: 200, max: 299 }]
    }
    endpoints: [
      {
        name: 'blue'
        type: 'Microsoft.Network/trafficManagerProfiles/azureEndpoints'
        properties: {
          targetResourceId: blueId
          endpointStatus: live == 'blue' ? 'Enabled' : 'Disabled'
          priority: live == 'blue' ? 1 : 2
        }
      }
      {
        name: 'green'
        type: 'Microsoft.Network/trafficManagerProfiles/azureEndpoints'
        properties: {
          targetResourceId: greenId
          endpointStatus: live == 'green' ? 'Enabled' : 'Disabled'
          priority: live == 'green' ? 1 : 2
        }
      }
    ]
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: profile
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Host name for users.')
output fqdn string = profile.properties.dnsConfig.fqdn
