// Command rival is another client of what bluegreen changes, for tests: a pipeline that writes
// to an Application Gateway or sends one request to Azure Resource Manager, with the identity
// of its environment, or a controller that applies a manifest by force, again and again, or
// deletes its object. It prints a line for each step, and ends with its input.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin) // ends when the test does
		cancel()
	}()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("rival", flag.ContinueOnError)
	gateway := f.String("gateway", "", "resource id of an Application Gateway")
	rule := f.String("rule", "", "its routing rule that is changed")
	pool := f.String("pool", "", "backend pool that the rule is pointed at")
	priority := f.Int("priority", 0, "priority that the rule gets")
	remove := f.String("remove", "", "backend pool that is removed")
	method := f.String("method", "", "method of one request, instead")
	path := f.String("path", "", "path and api-version of that request")
	body := f.String("body", "{}", "its body")
	deletes := f.Bool("delete", false, "delete the manifest's object instead of applying it")
	manifest := f.String("apply", "", "file with an object that is applied by force, instead")
	kubeconfig := f.String("kubeconfig", "", "access to the cluster")
	manager := f.String("manager", "rival", "field manager")
	every := f.Duration("every", 500*time.Millisecond, "from one apply to the next")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case *manifest != "":
		return apply(ctx, *kubeconfig, *manifest, *manager, *every, *deletes)
	case *method != "":
		return send(ctx, *method, *path, *body)
	case *remove != "":
		return write(ctx, *gateway, func(doc map[string]any) error { return without(doc, *remove) })
	}
	return write(ctx, *gateway, func(doc map[string]any) error {
		return edit(doc, *rule, func(properties map[string]any) {
			if *pool != "" {
				properties["backendAddressPool"] = map[string]any{"id": *gateway + "/backendAddressPools/" + *pool}
			}
			if *priority != 0 {
				properties["priority"] = *priority
			}
		})
	})
}

func newClient() (*azarm.Client, error) {
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return nil, err
	}
	return azarm.NewClient("rival", "v1.0.0", credential, &azarm.ClientOptions{
		DisableRPRegistration: true,
		ClientOptions: policy.ClientOptions{Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: "https://login.microsoftonline.com/",
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {
				Endpoint: os.Getenv("AZURE_RESOURCE_MANAGER_ENDPOINT"), Audience: os.Getenv("AZURE_RESOURCE_MANAGER_AUDIENCE"),
			}},
		}},
	})
}

// send makes one request, and follows it no further.
func send(ctx context.Context, method, path, body string) error {
	client, err := newClient()
	if err != nil {
		return err
	}
	path, version, _ := strings.Cut(path, "?api-version=")
	if _, err := call(ctx, client, method, path, version, json.RawMessage(body)); err != nil {
		return err
	}
	fmt.Println("accepted")
	return nil
}

// write reads the gateway, changes it, writes it all, and follows the operation.
func write(ctx context.Context, id string, change func(doc map[string]any) error) error {
	client, err := newClient()
	if err != nil {
		return err
	}
	doc, err := get(ctx, client, id)
	if err != nil {
		return fmt.Errorf("read the gateway: %w", err)
	}
	if err := change(doc); err != nil {
		return err
	}
	resp, err := call(ctx, client, http.MethodPut, id, gatewayVersion, doc)
	if err != nil {
		return fmt.Errorf("write the gateway: %w", err)
	}
	fmt.Println("accepted")
	poller, err := runtime.NewPoller[map[string]any](resp, client.Pipeline(), nil)
	if err != nil {
		return err
	}
	if _, err := poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second}); err != nil {
		var service *azcore.ResponseError
		if errors.As(err, &service) {
			fmt.Println("ended", service.ErrorCode)
			return nil
		}
		return fmt.Errorf("follow the write: %w", err)
	}
	fmt.Println("ended Succeeded")
	return nil
}

// without removes a backend pool from a gateway's document.
func without(doc map[string]any, pool string) error {
	properties, _ := doc["properties"].(map[string]any)
	pools, _ := properties["backendAddressPools"].([]any)
	kept := slices.DeleteFunc(pools, func(p any) bool { return p.(map[string]any)["name"] == pool })
	if len(kept) == len(pools) {
		return fmt.Errorf("there is no pool %q", pool)
	}
	properties["backendAddressPools"] = kept
	return nil
}

// edit changes the properties of a rule of a gateway's document.
func edit(doc map[string]any, rule string, change func(map[string]any)) error {
	properties, _ := doc["properties"].(map[string]any)
	rules, _ := properties["requestRoutingRules"].([]any)
	for _, r := range rules {
		if r, _ := r.(map[string]any); r["name"] == rule {
			if p, ok := r["properties"].(map[string]any); ok {
				change(p)
				return nil
			}
		}
	}
	return fmt.Errorf("there is no rule %q", rule)
}

func get(ctx context.Context, client *azarm.Client, id string) (doc map[string]any, err error) {
	resp, err := call(ctx, client, http.MethodGet, id, gatewayVersion, nil)
	if err != nil {
		return nil, err
	}
	return doc, runtime.UnmarshalAsJSON(resp, &doc)
}

// gatewayVersion is the API version in which the gateway is written.
const gatewayVersion = "2025-05-01"

func call(ctx context.Context, client *azarm.Client, method, id, version string, body any) (*http.Response, error) {
	req, err := runtime.NewRequest(ctx, method, client.Endpoint()+id)
	if err != nil {
		return nil, err
	}
	req.Raw().URL.RawQuery = "api-version=" + version
	if body != nil {
		if err := runtime.MarshalAsJSON(req, body); err != nil {
			return nil, err
		}
	}
	resp, err := client.Pipeline().Do(req)
	if err != nil {
		return nil, err
	}
	if !runtime.HasStatusCode(resp, http.StatusOK, http.StatusCreated, http.StatusAccepted) {
		return nil, runtime.NewResponseError(resp)
	}
	return resp, nil
}

// apply applies an object by server-side apply with force, as a GitOps controller does that
// owns every field of its manifest.
func apply(ctx context.Context, kubeconfig, path, manager string, every time.Duration, deletes bool) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var object unstructured.Unstructured
	if err := yaml.Unmarshal(text, &object.Object); err != nil {
		return err
	}
	kind := object.GroupVersionKind()
	resource := client.Resource(schema.GroupVersionResource{
		Group: kind.Group, Version: kind.Version, Resource: strings.ToLower(kind.Kind) + "s",
	}).Namespace(object.GetNamespace())
	if deletes {
		fmt.Println("deleted")
		return resource.Delete(ctx, object.GetName(), metav1.DeleteOptions{})
	}
	var last string
	for ; ctx.Err() == nil; time.Sleep(every) {
		result, err := resource.Apply(ctx, object.GetName(), &object, metav1.ApplyOptions{FieldManager: manager, Force: true})
		if err != nil {
			return err
		}
		if v := result.GetResourceVersion(); v != last {
			fmt.Println("applied", v)
			last = v
		}
	}
	return nil
}
