// The agents of the jump host: sign-in with Entra, and the Azure Monitor Agent, which sends
// sign-ins and messages of the system to the workspace.
import { tagValues } from '../types.bicep'

@description('Required. Name of the host.')
@minLength(1)
@maxLength(57)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

resource host 'Microsoft.Compute/virtualMachines@2025-04-01' existing = {
  name: name
}

resource signIn 'Microsoft.Compute/virtualMachines/extensions@2025-04-01' = {
  parent: host
  name: 'AADSSHLoginForLinux'
  location: location
  tags: tags
  properties: {
    publisher: 'Microsoft.Azure.ActiveDirectory'
    type: 'AADSSHLoginForLinux'
    typeHandlerVersion: '1.0'
    autoUpgradeMinorVersion: true
  }
}

resource agent 'Microsoft.Compute/virtualMachines/extensions@2025-04-01' = {
  parent: host
  name: 'AzureMonitorLinuxAgent'
  location: location
  tags: tags
  properties: {
    publisher: 'Microsoft.Azure.Monitor'
    type: 'AzureMonitorLinuxAgent'
    typeHandlerVersion: '1.0'
    autoUpgradeMinorVersion: true
    enableAutomaticUpgrade: true
  }
  dependsOn: [signIn] // a host takes one extension at a time
}

resource rule 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: 'dcr-${name}'
  location: location
  tags: tags
  kind: 'Linux'
  properties: {
    dataSources: { syslog: [{ name: 'syslog', streams: ['Microsoft-Syslog'], facilityNames: ['auth', 'authpriv', 'daemon', 'syslog'], logLevels: ['Info', 'Notice', 'Warning', 'Error', 'Critical', 'Alert', 'Emergency'] }] }
    destinations: { logAnalytics: [{ name: 'workspace', workspaceResourceId: workspaceId }] }
    dataFlows: [{ streams: ['Microsoft-Syslog'], destinations: ['workspace'] }]
  }
}

resource collection 'Microsoft.Insights/dataCollectionRuleAssociations@2024-03-11' = {
  scope: host
  name: 'syslog'
  properties: { dataCollectionRuleId: rule.id }
  dependsOn: [agent]
}
