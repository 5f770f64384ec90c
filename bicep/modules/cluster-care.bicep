// Maintenance window of a cluster's upgrades, and the logs of its control plane.

@description('Required. Name of the cluster.')
@minLength(1)
@maxLength(63)
param name string

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Required. Day of the week of automatic upgrades, a different one for each color, so that a bad upgrade affects only one color.')
@allowed(['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'])
param day string

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {
  name: name
}

resource windows 'Microsoft.ContainerService/managedClusters/maintenanceConfigurations@2025-05-01' = [for what in ['aksManagedAutoUpgradeSchedule', 'aksManagedNodeOSUpgradeSchedule']: {
  parent: cluster
  name: what
  properties: {
    maintenanceWindow: {
      schedule: { weekly: { intervalWeeks: 1, dayOfWeek: day } }
      durationHours: 4
      startTime: '02:00'
      utcOffset: '+00:00'
    }
  }
}]

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: cluster
  name: 'workspace'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      { category: 'kube-apiserver', enabled: true }
      { category: 'kube-audit-admin', enabled: true }
      { category: 'kube-controller-manager', enabled: true }
      { category: 'kube-scheduler', enabled: true }
      { category: 'cluster-autoscaler', enabled: true }
      { category: 'guard', enabled: true }
    ]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
