package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"bluegreen/internal/access"
)

// settings are the environment variables, read once.
type settings struct {
	Port       string                   // where the host expects the handler, on loopback
	Config     string                   // path of bluegreen.yaml
	Kubeconfig string                   // path, "" for none
	ClientID   string                   // of the user-assigned identity, "" for the system-assigned one
	SignIn     bool                     // App Service authentication is on
	Keys       access.Right             // of the holder of a function key
	Host       string                   // public address of the Functions host, without a path; "" where it is not known
	DNS        string                   // HOST:PORT of the DNS server to ask about public names, "" for the system's
	Setting    func(name string) string // an app setting that the configuration names
	Storage    storage
	Cloud      cloud.Configuration
}

// storage is the app's own storage account: by connection string, or by the addresses of
// its services and the managed identity.
type storage struct {
	ConnectionString   string
	QueueURL, TableURL string
	ClientID           string
}

func readSettings(getenv func(string) string) (settings, error) {
	root := getenv("FUNCTIONS_APP_ROOT_PATH")
	s := settings{
		Port:       getenv("FUNCTIONS_CUSTOMHANDLER_PORT"),
		Config:     inRoot(root, getenv("BLUEGREEN_CONFIG"), "bluegreen.yaml"),
		Kubeconfig: inRoot(root, getenv("BLUEGREEN_KUBECONFIG"), ""),
		ClientID:   getenv("AZURE_CLIENT_ID"),
		SignIn:     isOn(getenv("WEBSITE_AUTH_ENABLED")),
		Host:       hostURL(getenv("WEBSITE_HOSTNAME")),
		DNS:        getenv("BLUEGREEN_DNS"),
		Setting:    getenv,
	}
	if s.Port == "" {
		return s, errors.New("FUNCTIONS_CUSTOMHANDLER_PORT is not set: the Functions host starts this program, see README.md")
	}
	if _, _, err := net.SplitHostPort(s.DNS); err != nil && s.DNS != "" {
		return s, fmt.Errorf("BLUEGREEN_DNS %q is not HOST:PORT, such as 168.63.129.16:53: %w", s.DNS, err)
	}
	var err error
	if s.Keys, err = access.Keys(getenv("BLUEGREEN_KEYS_MAY")); err != nil {
		return s, err
	}
	if s.Storage, err = readStorage(getenv); err != nil {
		return s, err
	}
	s.Cloud, err = readCloud(getenv)
	return s, err
}

// isOn reads a switch as the platform writes it: True, true or 1.
func isOn(value string) bool { return strings.EqualFold(value, "true") || value == "1" }

// hostURL is where the platform serves the Functions app; the core tools do so on this machine,
// without TLS.
// Source: learn.microsoft.com/azure/app-service/reference-app-settings
func hostURL(name string) string {
	if name == "" {
		return ""
	}
	machine, _, err := net.SplitHostPort(name)
	if ip := net.ParseIP(machine); err == nil && (machine == "localhost" || ip.IsLoopback()) {
		return "http://" + name
	}
	return "https://" + name
}

// inRoot takes a relative path from where host.json is.
func inRoot(root, path, otherwise string) string {
	if path == "" {
		path = otherwise
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

const storageSetting = "AzureWebJobsStorage"

// developmentStorage is the connection string that UseDevelopmentStorage=true stands for; the
// key is public.
// Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"

// readStorage reads the setting that the host itself uses, in each of its forms.
// Source: learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
func readStorage(getenv func(string) string) (storage, error) {
	if text := getenv(storageSetting); text != "" {
		if strings.EqualFold(strings.TrimSuffix(text, ";"), "UseDevelopmentStorage=true") {
			text = developmentStorage
		}
		return storage{ConnectionString: text}, nil
	}
	s := storage{
		QueueURL: getenv(storageSetting + "__queueServiceUri"),
		TableURL: getenv(storageSetting + "__tableServiceUri"),
		ClientID: getenv(storageSetting + "__clientId"),
	}
	if name := getenv(storageSetting + "__accountName"); name != "" {
		for service, at := range map[string]*string{"queue": &s.QueueURL, "table": &s.TableURL} {
			if *at == "" {
				*at = fmt.Sprintf("https://%s.%s.core.windows.net", name, service)
			}
		}
	}
	if s.QueueURL == "" || s.TableURL == "" {
		return s, fmt.Errorf("no storage account is set: set %[1]s__accountName (or %[1]s__queueServiceUri and %[1]s__tableServiceUri) and give the identity access, or set %[1]s to a connection string", storageSetting)
	}
	return s, nil
}

// readCloud is the public cloud unless the settings name another Azure Resource Manager.
func readCloud(getenv func(string) string) (cloud.Configuration, error) {
	endpoint, audience := getenv("AZURE_RESOURCE_MANAGER_ENDPOINT"), getenv("AZURE_RESOURCE_MANAGER_AUDIENCE")
	if endpoint == "" && audience == "" {
		return cloud.AzurePublic, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || audience == "" {
		return cloud.Configuration{}, fmt.Errorf("AZURE_RESOURCE_MANAGER_ENDPOINT %q and AZURE_RESOURCE_MANAGER_AUDIENCE %q: for a cloud of your own give both, the endpoint as https://HOST", endpoint, audience)
	}
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: cloud.AzurePublic.ActiveDirectoryAuthorityHost,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: strings.TrimSuffix(endpoint, "/"), Audience: audience},
		},
	}, nil
}
