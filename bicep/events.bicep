// The Event Grid subscription for image pushes. Azure refuses it before the function exists,
// so it is deployed after the code, in the resource group of the registry, for all entry
// points.

@description('Required. Name of the system topic of the registry (output REGISTRY_TOPIC of the entry points).')
@minLength(3)
@maxLength(50)
param topicName string

@description('Required. Resource id of the Function app (output FUNCTION_APP_ID).')
param functionAppId string

@description('Required. Resource id of the storage account for dead letters (output STORAGE_ID).')
param storageId string

@description('Required. Names of the repositories of the apps, such as team/podinfo, or with prefixes what they begin with. Without any, the pushes to all repositories are delivered. Event Grid ignores case and allows 25 values in all filters together.')
@maxLength(24)
param repositories string[]

@description('Optional. Whether repositories are what the names of the repositories begin with.')
param prefixes bool = false

@description('Required. Name of the subscription (output EVENT_SUBSCRIPTION), a different one for each environment of the registry.')
@minLength(3)
@maxLength(64)
param name string

var byRepository = prefixes
  ? { operatorType: 'StringBeginsWith', key: 'data.target.repository', values: repositories }
  : { operatorType: 'StringIn', key: 'data.target.repository', values: repositories }

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource pushed 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: name
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${functionAppId}/functions/image-pushed'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.ContainerRegistry.ImagePushed']
      isSubjectCaseSensitive: false
      // The manifests of a multi-platform image have no tag; signatures and other artifacts
      // have a tag that begins with the image's digest.
      advancedFilters: concat(
        [
          { operatorType: 'IsNotNull', key: 'data.target.tag' }
          { operatorType: 'StringNotBeginsWith', key: 'data.target.tag', values: ['sha256-'] }
        ],
        empty(repositories) ? [] : [byRepository]
      )
    }
    // The maximum of Event Grid: one day.
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: storageId, blobContainerName: 'dead-letters' }
      }
    }
  }
}

@description('Resource id of the subscription.')
output EVENT_SUBSCRIPTION_ID string = pushed.id
