// The subscription of one environment. scripts/events.sh passes the outputs of its entry point
// and the repositories of bluegreen.yaml.
using 'events.bicep'

param topicName = readEnvironmentVariable('REGISTRY_TOPIC')
param name = readEnvironmentVariable('EVENT_SUBSCRIPTION')
param functionAppId = readEnvironmentVariable('FUNCTION_APP_ID')
param storageId = readEnvironmentVariable('STORAGE_ID')
param repositories = split(readEnvironmentVariable('BLUEGREEN_REPOSITORIES'), ',')
