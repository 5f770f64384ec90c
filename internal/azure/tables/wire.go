package tables

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"bluegreen/internal/engine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// mostActions is the service's limit of one transaction.
const mostActions = 100

// refusal is an error that the table service answered, in one line: the SDK's own error
// prints the whole answer, and of a transaction it does not know the part that failed.
type refusal struct {
	status int
	code   aztables.TableErrorCode
	text   string
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the table service answers %d %s: %s", r.status, r.code, r.text)
	if r.status == http.StatusForbidden {
		text += " (the app's identity needs the role Storage Table Data Contributor on the storage account, and the account's firewall must let the app in)"
	}
	return text
}

// refusedWith reports whether an error is a refusal with one of the codes.
func refusedWith(err error, codes ...aztables.TableErrorCode) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, code := range codes {
		if r.code == code {
			return true
		}
	}
	return false
}

// submit makes one transaction, and the table before it when that is missing. It returns
// the new ETag of the row that the first action wrote.
func (s *Store) submit(ctx context.Context, actions ...aztables.TransactionAction) (azcore.ETag, error) {
	if len(actions) > mostActions {
		return "", fmt.Errorf("a transaction of %d rows: the table service takes %d", len(actions), mostActions)
	}
	etag, err := s.transact(ctx, actions)
	if !refusedWith(err, aztables.TableNotFound) {
		return etag, err
	}
	if _, err := s.table.CreateTable(ctx, nil); err != nil {
		if err = understand(err); !refusedWith(err, aztables.TableAlreadyExists) {
			return "", fmt.Errorf("create the table: %w", err)
		}
	}
	return s.transact(ctx, actions)
}

func (s *Store) transact(ctx context.Context, actions []aztables.TransactionAction) (etag azcore.ETag, err error) {
	defer func() { // the SDK panics over a malformed answer
		if p := recover(); p != nil {
			err = fmt.Errorf("read the answer to a transaction, which may have been done: %v", p)
		}
	}()
	var answer *http.Response
	_, err = s.table.SubmitTransaction(policy.WithCaptureResponse(ctx, &answer), actions, nil)
	if answer == nil || answer.StatusCode != http.StatusAccepted {
		return "", understand(err)
	}
	if refused := new(azcore.ResponseError); err != nil && !errors.As(err, &refused) {
		return "", err
	}
	return readTransaction(answer)
}

// readTransaction reads the answers to the single actions: all of them, or the one that
// failed. The SDK throws them away, and with them the ETag.
func readTransaction(answer *http.Response) (azcore.ETag, error) {
	body, err := runtime.Payload(answer)
	if err != nil {
		return "", fmt.Errorf("read the answer to a transaction: %w", err)
	}
	header, body, err := firstPart(textproto.MIMEHeader(answer.Header), body)
	if err == nil {
		_, body, err = firstPart(header, body)
	}
	if err != nil {
		return "", fmt.Errorf("read the answer to a transaction, which may have been done: %w", err)
	}
	first, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(body)), nil)
	if err != nil {
		return "", fmt.Errorf("read the answer to a transaction, which may have been done: %w", err)
	}
	defer first.Body.Close()
	if first.StatusCode >= http.StatusBadRequest {
		text, err := io.ReadAll(first.Body)
		if err != nil {
			return "", fmt.Errorf("read why a transaction failed: %w", err)
		}
		return "", readRefusal(first.StatusCode, text)
	}
	return azcore.ETag(first.Header.Get("ETag")), nil
}

func firstPart(header textproto.MIMEHeader, body []byte) (textproto.MIMEHeader, []byte, error) {
	_, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return nil, nil, err
	}
	part, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).NextPart()
	if err != nil {
		return nil, nil, err
	}
	inner, err := io.ReadAll(part)
	return part.Header, inner, err
}

// understand makes a refusal of the SDK's error.
func understand(err error) error {
	var answered *azcore.ResponseError
	if !errors.As(err, &answered) {
		return err
	}
	var body []byte
	if answered.RawResponse != nil {
		body, _ = runtime.Payload(answered.RawResponse) // a body that cannot be read explains nothing
	}
	r := readRefusal(answered.StatusCode, body)
	if r.code == "" {
		r.code = aztables.TableErrorCode(answered.ErrorCode)
	}
	return r
}

func readRefusal(status int, body []byte) *refusal {
	var sent struct {
		Error struct {
			Code    aztables.TableErrorCode
			Message struct{ Value string }
		} `json:"odata.error"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return &refusal{status: status, text: http.StatusText(status)}
	}
	text, _, _ := strings.Cut(sent.Error.Message.Value, "\n") // then come request id and time
	return &refusal{status: status, code: sent.Error.Code, text: text}
}

// get reads one row; ErrNotFound when it or the table is not there.
func (s *Store) get(ctx context.Context, app, rowKey string) (row, error) {
	answer, err := s.table.GetEntity(ctx, key(app), rowKey, nil)
	err = understand(err)
	if refusedWith(err, aztables.ResourceNotFound, aztables.EntityNotFound, aztables.TableNotFound) {
		return row{}, engine.ErrNotFound
	}
	if err != nil {
		return row{}, err
	}
	r, err := decodeRow(answer.Value)
	r.etag = answer.ETag
	return r, err
}

// everything asks for whole rows, in pages as large as the service makes them.
var everything = aztables.ListEntitiesOptions{}

// rows are those that a filter admits, in the order of their keys. A table that is missing
// has none.
func (s *Store) rows(ctx context.Context, filter string, o aztables.ListEntitiesOptions) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		o.Filter = &filter
		pages := s.table.NewListEntitiesPager(&o)
		for pages.More() {
			answer, err := pages.NextPage(ctx)
			if err = understand(err); refusedWith(err, aztables.TableNotFound) {
				return
			}
			if err != nil {
				yield(row{}, err)
				return
			}
			for _, entity := range answer.Entities {
				if r, err := decodeRow(entity); !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}
