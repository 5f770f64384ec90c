package host

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"
)

// developmentStorage is the value of UseDevelopmentStorage=true; the key is public.
// Source: learn.microsoft.com/azure/storage/common/storage-connect-azurite
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"

// Storage is the queue service of a storage account.
type Storage struct{ service *azqueue.ServiceClient }

// OpenStorage opens the account of a connection string; it makes no call.
func OpenStorage(connection string) (*Storage, error) {
	if strings.EqualFold(strings.Trim(connection, "; "), "UseDevelopmentStorage=true") {
		connection = developmentStorage
	}
	service, err := azqueue.NewServiceClientFromConnectionString(connection, nil)
	if err != nil {
		return nil, fmt.Errorf("open the storage account: %w", err)
	}
	return &Storage{service}, nil
}

// Receive implements Queues.
func (s *Storage) Receive(ctx context.Context, queue string, max int, lease time.Duration) ([]Message, error) {
	count, hidden := int32(max), seconds(lease)
	resp, err := s.service.NewQueueClient(queue).DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: &count, VisibilityTimeout: &hidden})
	if queueerror.HasCode(err, queueerror.QueueNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("receive from queue %s: %w", queue, err)
	}
	var messages []Message
	for _, m := range resp.Messages {
		messages = append(messages, Message{
			ID: *m.MessageID, Receipt: *m.PopReceipt, Text: *m.MessageText, DequeueCount: int(*m.DequeueCount),
			Inserted: *m.InsertionTime, Expires: *m.ExpirationTime, NextVisible: *m.TimeNextVisible,
		})
	}
	return messages, nil
}

// Hide implements Queues.
func (s *Storage) Hide(ctx context.Context, queue string, m Message, visible time.Duration) (Message, error) {
	hidden := seconds(visible)
	resp, err := s.service.NewQueueClient(queue).UpdateMessage(ctx, m.ID, m.Receipt, m.Text, &azqueue.UpdateMessageOptions{VisibilityTimeout: &hidden})
	if err != nil {
		return m, fmt.Errorf("hide a message of queue %s: %w", queue, gone(err))
	}
	m.Receipt, m.NextVisible = *resp.PopReceipt, *resp.TimeNextVisible
	return m, nil
}

// Delete implements Queues.
func (s *Storage) Delete(ctx context.Context, queue string, m Message) error {
	if _, err := s.service.NewQueueClient(queue).DeleteMessage(ctx, m.ID, m.Receipt, nil); err != nil {
		return fmt.Errorf("delete a message of queue %s: %w", queue, gone(err))
	}
	return nil
}

func gone(err error) error {
	if queueerror.HasCode(err, queueerror.MessageNotFound, queueerror.PopReceiptMismatch, queueerror.QueueNotFound) {
		return ErrGone
	}
	return err
}

// Put implements Queues.
func (s *Storage) Put(ctx context.Context, queue, text string, visible time.Duration) error {
	hidden := seconds(visible)
	client := s.service.NewQueueClient(queue)
	put := func() error {
		_, err := client.EnqueueMessage(ctx, text, &azqueue.EnqueueMessageOptions{VisibilityTimeout: &hidden})
		return err
	}
	err := put()
	if queueerror.HasCode(err, queueerror.QueueNotFound) {
		if _, err = client.Create(ctx, nil); err == nil || queueerror.HasCode(err, queueerror.QueueAlreadyExists) {
			err = put()
		}
	}
	if err != nil {
		return fmt.Errorf("put a message on queue %s: %w", queue, err)
	}
	return nil
}
