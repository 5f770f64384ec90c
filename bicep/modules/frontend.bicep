// Resources that an Application Gateway needs: its public address with a name, its firewall
// policy, and the identity that reads its certificate.
import { gatewayFrontend, tagValues } from '../types.bicep'

@description('Required. Name of the gateway, the base of the names.')
@minLength(1)
@maxLength(76)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. DNS label of the public address, unique in the region.')
@minLength(3)
@maxLength(63)
param label string

@description('Optional. Availability zones of the address.')
param zones string[] = []

@description('Required. Mode of the firewall; Off creates no policy.')
@allowed(['Off', 'Detection', 'Prevention'])
param firewall string

@description('Required. Name of the vault.')
param vaultName string

@description('Optional. Whether the gateway reads a certificate from the vault.')
param certified bool = false

var secretsUser = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6') // Key Vault Secrets User

resource address 'Microsoft.Network/publicIPAddresses@2025-05-01' = {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  zones: empty(zones) ? null : zones
  properties: {
    publicIPAllocationMethod: 'Static'
    dnsSettings: { domainNameLabel: label }
  }
}

resource policy 'Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies@2025-05-01' = if (firewall != 'Off') {
  name: 'waf-${name}'
  location: location
  tags: tags
  properties: {
    policySettings: { state: 'Enabled', mode: firewall == 'Prevention' ? 'Prevention' : 'Detection', requestBodyCheck: true }
    managedRules: {
      managedRuleSets: [
        { ruleSetType: 'Microsoft_DefaultRuleSet', ruleSetVersion: '2.1' }
        { ruleSetType: 'Microsoft_BotManagerRuleSet', ruleSetVersion: '1.0' }
      ]
    }
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (certified) {
  name: 'id-${name}'
  location: location
  tags: tags
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource readsCertificate 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (certified) {
  scope: vault
  name: guid(vault.id, resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id-${name}'), secretsUser)
  properties: { principalId: identity!.properties.principalId, principalType: 'ServicePrincipal', roleDefinitionId: secretsUser }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: address
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Public address, firewall policy and identity of the gateway.')
output made gatewayFrontend = {
  publicIpId: address.id
  wafPolicyId: firewall == 'Off' ? '' : policy.id
  identityId: certified ? identity.id : ''
}

@description('Public name of the gateway.')
output fqdn string = address.properties.dnsSettings.fqdn
