// The smallest form of the full environment, and the default of azd up. The most expensive
// parts are omitted or small: firewall, zones, Bastion and jump host, NAT gateways, extra
// nodes. Without a jump host, private clusters are reached by az aks command invoke.
using 'main.bicep'

param name = readEnvironmentVariable('BLUEGREEN_NAME', 'bluegreen')
param groupName = readEnvironmentVariable('RESOURCE_GROUP', 'rg-bluegreen')
param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'bluegreen') }
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param live = readEnvironmentVariable('BLUEGREEN_LIVE') // no default: a wrong one moves the traffic
param scaledPools = split(readEnvironmentVariable('BLUEGREEN_SCALED_POOLS', 'none'), ',')
param clusters = {
  tier: 'Free'
  system: { vmSize: 'Standard_D2as_v5', least: 1, most: 1 } // runs the app too
}
param gateways = { firewall: 'Off', least: 0, most: 2 }
param publicRegistry = true // so that docker push works from outside the network
param certificate = readEnvironmentVariable('BLUEGREEN_CERTIFICATE', '') // once it is in the vault
param hostName = readEnvironmentVariable('BLUEGREEN_HOST_NAME', '')
param storageSku = 'Standard_LRS'
param logGigabytes = 1
param operatorId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param operatorType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User')
param preview = bool(readEnvironmentVariable('BLUEGREEN_PREVIEW', 'false'))
param alertApp = readEnvironmentVariable('BLUEGREEN_ALERT_APP', '')
param alertAppObjectId = readEnvironmentVariable('BLUEGREEN_ALERT_APP_OBJECT_ID', '')
