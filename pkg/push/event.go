package push

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// The types of events (docs/push.md, CloudEvents).
const (
	typeChanged  = "dev.pillion.resource.changed"
	typeDeleting = "dev.pillion.resource.deleting" // it has a deletionTimestamp
	typeDeleted  = "dev.pillion.resource.deleted"  // it is gone
)

// setEvent makes the request of an item a CloudEvent 1.0 in binary mode. The
// extensions that the resource protocol has, too, have the names and the
// meaning that they have there.
func setEvent(header http.Header, source string, item *resource.LeaseItem, now time.Time) {
	set := func(attribute, value string) { header.Set("ce-"+attribute, encode(value)) }
	set("specversion", "1.0")
	set("id", item.Lease)
	set("source", source)
	set("type", eventType(item.Object))
	set("subject", item.Key.ID)
	set("time", now.UTC().Format(time.RFC3339Nano))
	set("datatype", string(item.Key.DataType))
	set("originalsource", item.Key.Source)
	set("clustername", item.Key.Cluster)
	set("attempt", strconv.Itoa(item.Attempt))
	if item.Object == nil {
		return
	}
	set("resourceversion", strconv.FormatInt(item.Object.Version, 10))
	if at := item.Object.DeletionTimestamp; at != nil {
		set("deletiontimestamp", at.UTC().Format(time.RFC3339Nano))
	}
}

func eventType(object *resource.Resource) string {
	switch {
	case object == nil:
		return typeDeleted
	case object.DeletionTimestamp != nil:
		return typeDeleting
	}
	return typeChanged
}

// encode writes a value as a header can hold it: what is not visible ASCII,
// and space, quotation mark and percent, are percent-encoded as UTF-8
// (CloudEvents HTTP binding 1.0, 3.1.3.2).
func encode(value string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
