package testbed_test

import (
	"encoding/json"
	"testing"
	"time"

	"bluegreen/testbed"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
)

func TestAzuriteRefusesABatchWithAStaleETag(t *testing.T) {
	a := testbed.SharedAzurite(t)
	service, err := aztables.NewServiceClientFromConnectionString(a.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	table := service.NewClient("batches")
	if _, err := table.CreateTable(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	entity := func(row, value string) []byte {
		text, err := json.Marshal(aztables.EDMEntity{
			Entity:     aztables.Entity{PartitionKey: "app", RowKey: row},
			Properties: map[string]any{"Value": value}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	added, err := table.AddEntity(t.Context(), entity("state", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(value, log string, etag azcore.ETag) error {
		_, err := table.SubmitTransaction(t.Context(), []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeUpdateReplace, Entity: entity("state", value), IfMatch: &etag},
			{ActionType: aztables.TransactionTypeAdd, Entity: entity(log, value)},
		}, nil)
		return err
	}
	if err := replace("2", "log1", added.ETag); err != nil {
		t.Fatalf("with the present ETag: %v", err)
	}
	if err := replace("3", "log2", added.ETag); err == nil {
		t.Fatal("a stale ETag was accepted")
	}
	if _, err := table.GetEntity(t.Context(), "app", "log2", nil); err == nil {
		t.Error("half of the refused batch was written")
	}
}

func TestAzuriteHidesMessagesUntilTheirTime(t *testing.T) {
	a := testbed.SharedAzurite(t)
	service, err := azqueue.NewServiceClientFromConnectionString(a.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	queue := service.NewQueueClient("steps")
	if _, err := queue.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	hide := int32(2)
	sent := time.Now()
	if _, err := queue.EnqueueMessage(t.Context(), "wake", &azqueue.EnqueueMessageOptions{VisibilityTimeout: &hide}); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, 10*time.Second, func() bool {
		got, err := queue.DequeueMessage(t.Context(), nil)
		return err == nil && len(got.Messages) == 1
	}, func() string { return "the message never appears" })
	// Azurite counts in whole seconds.
	if after := time.Since(sent); after < time.Second {
		t.Errorf("the message appeared after %v", after)
	}
}
