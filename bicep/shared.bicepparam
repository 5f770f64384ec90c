// The cheaper setup: one small cluster with a namespace for each color. Two clusters instead
// with BLUEGREEN_ONE_CLUSTER=false.
using 'shared.bicep'

param name = readEnvironmentVariable('BLUEGREEN_NAME', 'bluegreen')
param groupName = readEnvironmentVariable('RESOURCE_GROUP', 'rg-bluegreen')
param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'bluegreen') }
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param live = readEnvironmentVariable('BLUEGREEN_LIVE') // no default: a wrong one moves the traffic
param scaledPools = split(readEnvironmentVariable('BLUEGREEN_SCALED_POOLS', 'none'), ',')
param oneCluster = bool(readEnvironmentVariable('BLUEGREEN_ONE_CLUSTER', 'true'))
param clusters = {
  tier: 'Free'
  system: { vmSize: 'Standard_D2as_v5', least: 1, most: 2 } // two while both colors are at full size
}
param gateway = { firewall: 'Off', least: 0, most: 2 }
param certificate = readEnvironmentVariable('BLUEGREEN_CERTIFICATE', '') // once it is in the vault
param hostName = readEnvironmentVariable('BLUEGREEN_HOST_NAME', '')
param storageSku = 'Standard_LRS'
param logGigabytes = 1
param operatorId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param operatorType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User')
param preview = bool(readEnvironmentVariable('BLUEGREEN_PREVIEW', 'false'))
param alertApp = readEnvironmentVariable('BLUEGREEN_ALERT_APP', '')
param alertAppObjectId = readEnvironmentVariable('BLUEGREEN_ALERT_APP_OBJECT_ID', '')
