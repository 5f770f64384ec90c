// A Linux host for operators' access to private resources, through Bastion. Operators sign in
// with Entra; the SSH key is the fallback. There is no password.
import { tagValues } from '../types.bicep'

@description('Required. Name of the host.')
@minLength(1)
@maxLength(57)
param name string

@description('Required. Azure region.')
param location string

@description('Required. Tags of all resources.')
param tags tagValues

@description('Required. Id of the subnet.')
param subnetId string

@description('Required. Size of the virtual machine.')
param vmSize string

@description('Required. Name of the local account.')
@minLength(1)
@maxLength(32)
param adminName string

@description('Required. Public SSH key of the local account.')
@minLength(1)
param sshPublicKey string

@description('Required. Whether the host exists. It is then kept: Azure refuses another SSH key or cloud-init for it.')
param exists bool

@description('Required. Resource id of the Log Analytics workspace.')
param workspaceId string

resource card 'Microsoft.Network/networkInterfaces@2025-05-01' = {
  name: 'nic-${name}'
  location: location
  tags: tags
  properties: {
    ipConfigurations: [{ name: 'private', properties: { subnet: { id: subnetId }, privateIPAllocationMethod: 'Dynamic' } }]
  }
}

resource host 'Microsoft.Compute/virtualMachines@2025-04-01' = if (!exists) {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    hardwareProfile: { vmSize: vmSize }
    storageProfile: {
      imageReference: { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'server', version: 'latest' }
      osDisk: { createOption: 'FromImage', deleteOption: 'Delete', managedDisk: { storageAccountType: 'StandardSSD_LRS' } }
    }
    osProfile: {
      computerName: name
      adminUsername: adminName
      customData: loadFileAsBase64('jump-host.yaml')
      linuxConfiguration: {
        disablePasswordAuthentication: true
        provisionVMAgent: true
        ssh: { publicKeys: [{ path: '/home/${adminName}/.ssh/authorized_keys', keyData: sshPublicKey }] }
        patchSettings: { patchMode: 'AutomaticByPlatform', assessmentMode: 'AutomaticByPlatform' }
      }
    }
    securityProfile: { securityType: 'TrustedLaunch', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } }
    networkProfile: { networkInterfaces: [{ id: card.id, properties: { deleteOption: 'Delete' } }] }
    diagnosticsProfile: { bootDiagnostics: { enabled: true } }
  }
}

module agents 'jump-host-agents.bicep' = {
  name: '${name}-agents'
  params: { name: name, location: location, tags: tags, workspaceId: workspaceId }
  dependsOn: [host]
}

@description('Resource id of the host.')
output id string = resourceId('Microsoft.Compute/virtualMachines', name)
