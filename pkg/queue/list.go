package queue

// list is a doubly linked list whose nodes live inside what they list, so
// that moving a key costs no allocation. The zero value is empty.
type list[T any] struct {
	first, last *node[T]
	len         int // of nodes that hold something
}

// node is one place in a list. A node whose item is nil only marks a place
// and is not counted.
type node[T any] struct {
	prev, next *node[T]
	item       *T
}

func (l *list[T]) pushBack(n *node[T]) {
	n.prev, n.next = l.last, nil
	if l.last == nil {
		l.first = n
	} else {
		l.last.next = n
	}
	l.last = n
	l.count(n, 1)
}

// insertBefore puts n in front of at, which is in the list.
func (l *list[T]) insertBefore(n, at *node[T]) {
	n.prev, n.next = at.prev, at
	if at.prev == nil {
		l.first = n
	} else {
		at.prev.next = n
	}
	at.prev = n
	l.count(n, 1)
}

// remove takes out n, which is in the list.
func (l *list[T]) remove(n *node[T]) {
	if n.prev == nil {
		l.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.prev, n.next = nil, nil
	l.count(n, -1)
}

func (l *list[T]) count(n *node[T], by int) {
	if n.item != nil {
		l.len += by
	}
}

// head is the first item, nil when there is none.
func (l *list[T]) head() *T {
	for n := l.first; n != nil; n = n.next {
		if n.item != nil {
			return n.item
		}
	}
	return nil
}
