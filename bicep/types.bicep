// The types that the entry points and the modules share.

@description('Tags of resources.')
@export()
type tagValues = {
  @description('Optional. Value of the tag of this name.')
  *: string
}

@description('A secret of checks or of channels in a Key Vault.')
@export()
type secretSetting = {
  @description('Required. Name of its app setting. It begins with CHECK_ or NOTIFY_, or nothing may use it.')
  name: string

  @description('Required. URI of the secret in the vault, without a version to follow its newest one.')
  uri: string
}

@description('Network access of the controller to private resources. Omit the network for a controller with public access.')
@export()
type networkOptions = {
  @description('Required. Id of the subnet of the Function app, delegated to Microsoft.App/environments and used only for it.')
  appSubnetId: string

  @description('Required. Id of the subnet for the private endpoints of the storage account.')
  endpointSubnetId: string

  @description('Required. Id of the private DNS zone of blobs, linked to the virtual network of the Function app.')
  blobZoneId: string

  @description('Required. Id of the private DNS zone of queues, linked to the virtual network of the Function app.')
  queueZoneId: string

  @description('Required. Id of the private DNS zone of tables, linked to the virtual network of the Function app.')
  tableZoneId: string

  @description('Optional. Id of the private DNS zone of Event Grid topics, linked to that network: it closes the topic of outcomes to the internet.')
  topicZoneId: string?
}

@description('Who may use the API of the controller.')
@export()
type accessOptions = {
  @description('Optional. What the holder of a function key may do: viewer, operator (by default), or admin, which is for teams without Entra.')
  keysMay: ('viewer' | 'operator' | 'admin')?

  @description('Optional. Client ids of the applications whose tokens are accepted, besides Azure CLI and Azure Monitor: those of pipelines that sign in.')
  clients: string[]?
}

@description('The container registry whose pushes start releases.')
@export()
type registryOptions = {
  @description('Required. Resource id of the registry.')
  id: string

  @description('Optional. Azure region of the registry; that of the controller by default.')
  location: string?

  @description('Optional. Name of an existing system topic of the registry, in the registry\'s resource group, with a system-assigned identity: Azure allows only one for each registry. The deployment does not change it. By default the deployment creates one.')
  topicName: string?

  @description('Optional. Whether the system topic is left out, for a preview by an identity that may only read.')
  withoutTopic: bool?
}

@description('An Application Gateway that bluegreen switches, and the resources that it refers to: at every write Azure requires join or assign permission on each of them.')
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

@description('A backend pool of an Application Gateway with alert rules.')
@export()
type watchedPool = {
  @description('Required. Color of the release that the pool serves.')
  color: color

  @description('Required. Name of the backend pool.')
  pool: string

  @description('Required. Name of the backend HTTP settings of the pool.')
  settings: string
}

@description('An Application Gateway with alert rules for its pools.')
@export()
type watchedGateway = {
  @description('Required. Resource id of the Application Gateway. Its name is part of the names of the rules: gateways of one app need different names. It sends its access log to a workspace, in resource-specific mode.')
  id: string

  @description('Optional. Azure region of the Application Gateway, the one of the controller by default.')
  location: string?

  @description('Required. Name of the app, the prefix of the names of the rules.')
  @minLength(1)
  @maxLength(40)
  app: string

  @description('Required. The monitored pools, at most one for each color.')
  pools: watchedPool[]

  @description('Optional. The color of the whole gateway, if each color has its own.')
  color: color?
}

@description('One of the two colors.')
@export()
type color = 'blue' | 'green'

@description('A rule of a network security group.')
@export()
type securityRule = {
  @description('Required. Name of the rule, unique in its group.')
  name: string

  @description('Required. Order of the rule: the lowest matching one decides. Unique for each direction.')
  @minValue(100)
  @maxValue(4096)
  priority: int

  @description('Required. Whether matching traffic is allowed.')
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

  @description('Required. Destination ports or ranges of them; an asterisk means all.')
  @minLength(1)
  ports: string[]
}

@description('A pool of Linux nodes of a cluster. It is autoscaled if least and most differ.')
@export()
type nodePool = {
  @description('Required. Size of the virtual machines.')
  vmSize: string

  @description('Required. Minimum number of nodes.')
  @minValue(1)
  least: int

  @description('Required. Maximum number of nodes.')
  @minValue(1)
  most: int
}

@description('Size of a cluster.')
@export()
type clusterSize = {
  @description('Required. Free has no SLA for the API server.')
  tier: 'Free' | 'Standard'

  @description('Required. System nodes; they also run the apps if there are no others.')
  system: nodePool

  @description('Optional. Nodes of the apps only.')
  user: nodePool?
}

@description('Size of an Application Gateway, and its firewall.')
@export()
type gatewaySize = {
  @description('Required. Mode of the web application firewall; Off is the cheaper gateway without one.')
  firewall: 'Off' | 'Detection' | 'Prevention'

  @description('Required. Minimum number of instances; 0 is the cheapest and needs some minutes to scale up.')
  @minValue(0)
  @maxValue(100)
  least: int

  @description('Required. Maximum number of instances.')
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

  @description('Optional. The service that the subnet is delegated to.')
  delegation: string?

  @description('Optional. Whether default outbound access to the internet is allowed; not by default. Azure requires it for the subnets of Bastion and of delegated services.')
  calls: bool?

  @description('Optional. Whether the security group applies to private endpoints too; not by default.')
  filtered: bool?
}

@description('Public address, firewall policy and identity of an Application Gateway.')
@export()
type gatewayFrontend = {
  @description('Required. Id of the public address.')
  publicIpId: string

  @description('Required. Id of the firewall policy; empty if there is none.')
  wafPolicyId: string

  @description('Required. Id of the identity that reads the certificate; empty if there is none.')
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
