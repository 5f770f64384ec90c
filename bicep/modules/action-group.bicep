// Sign-in to the controller: App Service authentication, which passes the caller's identity to the
// handler, and an action group that delivers alerts with a token. The app roles of a token say what
// its holder may do. Requests without a token pass to the functions, which have function keys, or
// refuse them.
import { accessOptions, tagValues } from '../types.bicep'

@description('Required. Base of all names, which also is the short name.')
@minLength(3)
@maxLength(12)
param name string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Name of the Function app.')
@minLength(2)
@maxLength(32)
param appName string

@description('Required. Host name of the Function app.')
param hostName string

@description('Required. Client id of the app registration for secure alert delivery and for sign-in.')
param alertApp string

@description('Required. Object id of that app registration, not of its service principal.')
param alertAppObjectId string

@description('Required. Who may use the API.')
param access accessOptions

// The application id of Azure Monitor's secure webhooks, the same in every tenant.
// Source: learn.microsoft.com/azure/azure-monitor/alerts/action-groups
var azureMonitor = '461e8683-5575-4561-ac7f-899cc907d62a' // AzNS AAD Webhook

// The application id of Azure CLI, which gets tokens for people.
// Source: learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
var azureCli = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource signIn 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true, runtimeVersion: '~1' }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
      // Event Grid authenticates with a key of the host, which is checked by the host.
      excludedPaths: ['/runtime/webhooks/EventGrid']
    }
    httpSettings: { requireHttps: true }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: alertApp
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [alertApp, 'api://${alertApp}'] // a token of version 2 is for the client id
          defaultAuthorizationPolicy: { allowedApplications: concat([alertApp, azureMonitor, azureCli], access.?clients ?? []) }
        }
      }
    }
    login: { tokenStore: { enabled: false } }
  }
}

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: name
    enabled: true
    webhookReceivers: [
      {
        name: 'controller'
        serviceUri: 'https://${hostName}/api/alert-fired'
        useCommonAlertSchema: true
        useAadAuth: true
        objectId: alertAppObjectId
        identifierUri: 'api://${alertApp}'
        tenantId: tenant().tenantId
      }
    ]
  }
}

@description('Resource id of the action group.')
output id string = group.id
