// An Application Gateway that serves one app from the pool of the live color. With previews
// each pool has a listener on another port, so that an idle pool is probed too.
import { color, gatewayFrontend, gatewayPool, gatewaySize, tagValues } from '../types.bicep'

@description('Required. Name of the gateway.')
@minLength(1)
@maxLength(80)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Id of the subnet of the gateway.')
param subnetId string

@description('Required. Public address, firewall policy and identity of the gateway.')
param frontend gatewayFrontend

@description('Required. Size of the gateway.')
param size gatewaySize

@description('Optional. Availability zones of the instances.')
param zones string[] = []

@description('Optional. Versionless address of the certificate in the vault; without one the gateway serves HTTP only.')
param certificateUrl string = ''

@description('Required. The pools.')
param pools gatewayPool[]

@description('Required. The live color.')
param live color

@description('Optional. Whether each pool has a listener on port 8080 for the host COLOR.preview.internal.')
param previews bool = false

@description('Required. Path of the health endpoint of a server.')
param healthPath string

@description('Optional. Host header of health probes; by default the address of the gateway itself.')
param healthHost string = '127.0.0.1'

var secure = !empty(certificateUrl)
var front = resourceId('Microsoft.Network/applicationGateways/frontendIPConfigurations', name, 'public')
var open = resourceId('Microsoft.Network/applicationGateways/frontendPorts', name, 'http')
var settings = resourceId('Microsoft.Network/applicationGateways/backendHttpSettingsCollection', name, 'settings-app')
var ports = concat(
  [{ name: 'http', properties: { port: 80 } }], secure ? [{ name: 'https', properties: { port: 443 } }] : [],
  previews ? [{ name: 'preview', properties: { port: 8080 } }] : []
)
var appListener = secure
  ? { frontendIPConfiguration: { id: front }, frontendPort: { id: resourceId('Microsoft.Network/applicationGateways/frontendPorts', name, 'https') }, protocol: 'Https', sslCertificate: { id: resourceId('Microsoft.Network/applicationGateways/sslCertificates', name, 'app') } }
  : { frontendIPConfiguration: { id: front }, frontendPort: { id: open }, protocol: 'Http' }
var listeners = concat(
  [{ name: 'app', properties: appListener }],
  secure ? [{ name: 'redirect', properties: { frontendIPConfiguration: { id: front }, frontendPort: { id: open }, protocol: 'Http' } }] : [],
  map(previews ? pools : [], p => { name: 'preview-${p.color}', properties: { frontendIPConfiguration: { id: front }, frontendPort: { id: resourceId('Microsoft.Network/applicationGateways/frontendPorts', name, 'preview') }, protocol: 'Http', hostName: '${p.color}.preview.internal' } })
)
var rules = concat(
  [{ name: 'app', properties: { ruleType: 'Basic', priority: 100, httpListener: { id: resourceId('Microsoft.Network/applicationGateways/httpListeners', name, 'app') }, backendAddressPool: { id: resourceId('Microsoft.Network/applicationGateways/backendAddressPools', name, 'pool-${live}') }, backendHttpSettings: { id: settings } } }],
  secure ? [{ name: 'redirect', properties: { ruleType: 'Basic', priority: 200, httpListener: { id: resourceId('Microsoft.Network/applicationGateways/httpListeners', name, 'redirect') }, redirectConfiguration: { id: resourceId('Microsoft.Network/applicationGateways/redirectConfigurations', name, 'https') } } }] : [],
  map(previews ? pools : [], p => { name: 'preview-${p.color}', properties: { ruleType: 'Basic', priority: p.color == 'blue' ? 300 : 310, httpListener: { id: resourceId('Microsoft.Network/applicationGateways/httpListeners', name, 'preview-${p.color}') }, backendAddressPool: { id: resourceId('Microsoft.Network/applicationGateways/backendAddressPools', name, 'pool-${p.color}') }, backendHttpSettings: { id: settings } } })
)

resource gateway 'Microsoft.Network/applicationGateways@2025-05-01' = {
  name: name
  location: location
  tags: tags
  zones: empty(zones) ? null : zones
  identity: empty(frontend.identityId) ? null : { type: 'UserAssigned', userAssignedIdentities: { '${frontend.identityId}': {} } }
  properties: {
    sku: size.firewall == 'Off' ? { name: 'Standard_v2', tier: 'Standard_v2' } : { name: 'WAF_v2', tier: 'WAF_v2' }
    autoscaleConfiguration: { minCapacity: size.least, maxCapacity: size.most }
    enableHttp2: true
    sslPolicy: { policyType: 'Predefined', policyName: 'AppGwSslPolicy20220101S' }
    firewallPolicy: empty(frontend.wafPolicyId) ? null : { id: frontend.wafPolicyId }
    gatewayIPConfigurations: [{ name: 'subnet', properties: { subnet: { id: subnetId } } }]
    frontendIPConfigurations: [{ name: 'public', properties: { publicIPAddress: { id: frontend.publicIpId } } }]
    frontendPorts: ports
    sslCertificates: secure ? [{ name: 'app', properties: { keyVaultSecretId: certificateUrl } }] : []
    backendAddressPools: [for p in pools: { name: 'pool-${p.color}', properties: { backendAddresses: [{ ipAddress: p.address }] } }]
    probes: [{ name: 'health', properties: { protocol: 'Http', host: healthHost, path: healthPath, interval: 10, timeout: 5, unhealthyThreshold: 2, match: { statusCodes: ['200-399'] } } }]
    backendHttpSettingsCollection: [
      {
        name: 'settings-app'
        properties: {
          port: 80
          protocol: 'Http'
          cookieBasedAffinity: 'Disabled'
          connectionDraining: { enabled: true, drainTimeoutInSec: 30 }
          requestTimeout: 30
          probe: { id: resourceId('Microsoft.Network/applicationGateways/probes', name, 'health') }
        }
      }
    ]
    httpListeners: listeners
    redirectConfigurations: secure ? [{ name: 'https', properties: { redirectType: 'Permanent', targetListener: { id: resourceId('Microsoft.Network/applicationGateways/httpListeners', name, 'app') }, includePath: true, includeQueryString: true } }] : []
    requestRoutingRules: rules
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: gateway
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated' // the alert rules search AGWAccessLogs
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Resource id of the gateway.')
output id string = gateway.id
