// The subscription of one environment. scripts/events.sh passes the outputs of its entry point
// and the repositories of bluegreen.yaml, or what they begin with where they are more than 24.
using 'events.bicep'

param topicName = readEnvironmentVariable('REGISTRY_TOPIC')
param name = readEnvironmentVariable('EVENT_SUBSCRIPTION')
param functionAppId = readEnvironmentVariable('FUNCTION_APP_ID')
param storageId = readEnvironmentVariable('STORAGE_ID')
param repositories = filter(split(readEnvironmentVariable('BLUEGREEN_REPOSITORIES'), ','), name => !empty(name))
param prefixes = bool(readEnvironmentVariable('BLUEGREEN_PREFIXES', 'false'))
