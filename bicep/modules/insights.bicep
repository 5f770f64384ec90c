// Application Insights, for the telemetry of the host and the handler. Local authentication is
// disabled.
import { tagValues } from '../types.bicep'

@description('Required. Name of the component.')
@minLength(1)
@maxLength(64)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceId
    DisableLocalAuth: true
  }
}
