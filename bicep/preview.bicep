// The role of the identity that shows on a pull request what it would change. Whoever may open a
// pull request in the repository can run code as this identity: it reads, and runs previews.
targetScope = 'subscription'

@description('Required. Object id of the identity that the GitHub environment preview signs in as.')
param principalId string

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, 'preview')
  properties: {
    roleName: 'bluegreen preview'
    description: 'Read, and preview deployments.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: [
          '*/read'
          'Microsoft.Resources/deployments/whatIf/action'
          'Microsoft.Resources/deployments/validate/action'
        ]
      }
    ]
  }
}

resource grant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, role.id)
  properties: { principalId: principalId, principalType: 'ServicePrincipal', roleDefinitionId: role.id }
}
