// The full environment for production, in a region with availability zones. The registry is
// closed to the internet: push from within, or by az acr import. Give a certificate and a
// host name once the certificate is in the vault.
using 'main.bicep'

param name = readEnvironmentVariable('BLUEGREEN_NAME', 'bluegreen')
param groupName = readEnvironmentVariable('RESOURCE_GROUP', 'rg-bluegreen')
param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'bluegreen') }
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param live = readEnvironmentVariable('BLUEGREEN_LIVE') // no default: a wrong one moves the traffic
param scaledPools = split(readEnvironmentVariable('BLUEGREEN_SCALED_POOLS', 'none'), ',')
param clusters = {
  tier: 'Standard'
  system: { vmSize: 'Standard_D2as_v5', least: 3, most: 5 }
  user: { vmSize: 'Standard_D4as_v5', least: 3, most: 12 }
}
param gateways = { firewall: 'Prevention', least: 2, most: 10 }
param zones = ['1', '2', '3']
param fixedEgress = true
param purgeProtection = true
param certificate = readEnvironmentVariable('BLUEGREEN_CERTIFICATE', '')
param hostName = readEnvironmentVariable('BLUEGREEN_HOST_NAME', '')
param sshPublicKey = readEnvironmentVariable('BLUEGREEN_SSH_PUBLIC_KEY') // Bastion and jump host
param jumpHostExists = bool(readEnvironmentVariable('BLUEGREEN_JUMP_HOST_EXISTS', 'false'))
param logDays = 90
param operatorId = readEnvironmentVariable('BLUEGREEN_OPERATORS', '') // a group
param preview = bool(readEnvironmentVariable('BLUEGREEN_PREVIEW', 'false'))
param alertApp = readEnvironmentVariable('BLUEGREEN_ALERT_APP', '')
param alertAppObjectId = readEnvironmentVariable('BLUEGREEN_ALERT_APP_OBJECT_ID', '')
param alwaysReady = 1 // an alert must be answered within seconds
param outcomeTopic = true
