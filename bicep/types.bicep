// The types that the entry points and the modules share.

@description('Tags of resources.')
@export()
type tagValues = {
  @description('Optional. Value of the tag of this name.')
  *: string
}

@description('Where the controller reaches private parts from. Leave the network out for a controller with public access.')
@export()
type networkOptions = {
  @description('Required. Id of the subnet that the Function app sends from, delegated to Microsoft.App/environments and used by nothing else.')
  appSubnetId: string

  @description('Required. Id of the subnet for the private endpoints of the storage account.')
  endpointSubnetId: string

  @description('Required. Id of the private DNS zone of blobs, linked to the virtual network of the Function app.')
  blobZoneId: string

  @description('Required. Id of the private DNS zone of queues, linked to the virtual network of the Function app.')
  queueZoneId: string

  @description('Required. Id of the private DNS zone of tables, linked to the virtual network of the Function app.')
  tableZoneId: string
}

@description('The container registry whose pushes start releases.')
@export()
type registryOptions = {
  @description('Required. Resource id of the registry.')
  id: string

  @description('Optional. Azure region of the registry; that of the controller by default.')
  location: string?

  @description('Optional. Name of the system topic that the registry has already, in its own resource group: Azure allows a registry only one. A name of our own by default.')
  topicName: string?
}

@description('An Application Gateway that traffic is moved with, and what its definition refers to: Azure asks for the right to join or assign each of these at every write.')
@export()
type gatewayOptions = {
  @description('Required. Resource id of the Application Gateway.')
  id: string

  @description('Required. Id of the subnet of the gateway.')
  subnetId: string

  @description('Required. Ids of the public IP addresses of its frontends; empty for a private gateway.')
  publicIpIds: string[]

  @description('Required. Ids of its user-assigned identities, such as the one that reads certificates; may be empty.')
  identityIds: string[]

  @description('Required. Ids of its firewall policies, including those of listeners and path rules; may be empty.')
  wafPolicyIds: string[]
}

@description('A backend pool of an Application Gateway that alert rules watch.')
@export()
type watchedPool = {
  @description('Required. Color of the release that the pool serves.')
  color: color

  @description('Required. Name of the backend pool.')
  pool: string

  @description('Required. Name of the backend HTTP settings that the pool is used with.')
  settings: string
}

@description('An Application Gateway whose pools alert rules watch.')
@export()
type watchedGateway = {
  @description('Required. Resource id of the Application Gateway.')
  id: string

  @description('Required. Name of the app that is served, which begins the names of the rules.')
  @minLength(1)
  @maxLength(40)
  app: string

  @description('Required. The pools to watch, at most one per color.')
  pools: watchedPool[]

  @description('Optional. The color that the whole gateway serves, where each color has its own.')
  color: color?
}

@description('One of the two colors.')
@export()
type color = 'blue' | 'green'

@description('A rule of a network security group.')
@export()
type securityRule = {
  @description('Required. Name of the rule, each once in its group.')
  name: string

  @description('Required. Order of the rule: the lowest that fits decides. Each once per direction.')
  @minValue(100)
  @maxValue(4096)
  priority: int

  @description('Required. Whether what fits is let through.')
  access: 'Allow' | 'Deny'

  @description('Optional. Direction of the connections, Inbound by default.')
  direction: ('Inbound' | 'Outbound')?

  @description('Optional. Protocol, all by default.')
  protocol: ('*' | 'Tcp' | 'Udp')?

  @description('Required. Sources: one service tag, one asterisk, or address ranges.')
  @minLength(1)
  sources: string[]

  @description('Required. Destination: a service tag, an asterisk, or an address range.')
  destination: string

  @description('Required. Destination ports or ranges of them; an asterisk alone is all.')
  @minLength(1)
  ports: string[]
}

@description('A pool of Linux nodes of a cluster. It scales by itself when least and most differ.')
@export()
type nodePool = {
  @description('Required. Size of the virtual machines.')
  vmSize: string

  @description('Required. Least nodes.')
  @minValue(1)
  least: int

  @description('Required. Most nodes.')
  @minValue(1)
  most: int
}

@description('How large a cluster is.')
@export()
type clusterSize = {
  @description('Required. Free is without a promised availability of the API server.')
  tier: 'Free' | 'Standard'

  @description('Required. Nodes of the system; those of the apps too when there are no others.')
  system: nodePool

  @description('Optional. Nodes of the apps only.')
  user: nodePool?
}

@description('How large an Application Gateway is, and whether it has a firewall.')
@export()
type gatewaySize = {
  @description('Required. What the web application firewall does with suspicious requests; Off is the cheaper gateway without one.')
  firewall: 'Off' | 'Detection' | 'Prevention'

  @description('Required. Least instances; 0 costs least and needs some minutes to grow under load.')
  @minValue(0)
  @maxValue(100)
  least: int

  @description('Required. Most instances.')
  @minValue(2)
  @maxValue(125)
  most: int
}

@description('A backend pool of an Application Gateway.')
@export()
type gatewayPool = {
  @description('Required. Color that the pool serves; the pool is called pool-COLOR.')
  color: color

  @description('Required. Address of the internal load balancer of the color.')
  address: string
}

@description('A subnet of a virtual network.')
@export()
type subnet = {
  @description('Required. Name of the subnet.')
  name: string

  @description('Required. Address range of the subnet.')
  range: string

  @description('Required. Id of its network security group.')
  securityGroupId: string

  @description('Optional. Id of its route table.')
  routeTableId: string?

  @description('Optional. Id of its NAT gateway; empty for none.')
  natGatewayId: string?

  @description('Optional. The service that the subnet is handed over to.')
  delegation: string?

  @description('Optional. Whether what is in it may call the internet without an address of its own; not by default.')
  calls: bool?

  @description('Optional. Whether the security group holds for private endpoints too; not by default.')
  filtered: bool?
}

@description('What an Application Gateway stands on.')
@export()
type gatewayFrontend = {
  @description('Required. Id of the public address.')
  publicIpId: string

  @description('Required. Id of the firewall policy; empty when there is none.')
  wafPolicyId: string

  @description('Required. Id of the identity that reads the certificate; empty when there is none.')
  identityId: string
}

@description('The identity with which nodes pull images.')
@export()
type kubeletIdentity = {
  @description('Required. Resource id.')
  resourceId: string

  @description('Required. Client id.')
  clientId: string

  @description('Required. Object id.')
  objectId: string
}
