package config

import "io/fs"

// Load reads the configuration file and every file that it names. The error,
// if the configuration is not valid, is of type Errors.
func Load(path string) (*Config, error) {
	c, _, err := load(path)
	return c, err
}

// Parse is Load for a configuration that is already read; name stands for its
// file in errors and in Files.
func Parse(name string, data []byte) (*Config, error) {
	return newLoader(name).config(data)
}

// load also tells what it read or tried to: a configuration that is not valid
// may become so when one of these files changes.
func load(path string) (*Config, snapshot, error) {
	l := newLoader(path)
	data, err := l.read(path)
	if err != nil {
		return nil, l.seen, Errors{{File: path, Message: err.Error()}}
	}
	c, err := l.config(data)
	return c, l.seen, err
}

// loader is the reading of one configuration.
type loader struct {
	decoder
	main    string   // the configuration file
	seen    snapshot // what was read
	modes   map[string]fs.FileMode
	holders map[string]position // where a file holds a secret
}

func newLoader(path string) *loader {
	return &loader{
		decoder: decoder{report: &report{}, wrote: map[string]position{}, bad: map[string]bool{}},
		main:    path,
		seen:    snapshot{},
		modes:   map[string]fs.FileMode{},
		holders: map[string]position{},
	}
}

// read reads a file and remembers what was in it.
func (l *loader) read(path string) ([]byte, error) {
	data, mode, err := readFile(path)
	l.seen[path] = digest(data, err)
	l.modes[path] = mode
	return data, err
}

// config turns the content of the configuration file into a Config, or tells
// all that is wrong with it.
func (l *loader) config(data []byte) (*Config, error) {
	c := defaults()
	c.path = l.main
	if root := l.parse(l.main, data, false); root != nil {
		l.decodeRoot(c, root)
		l.complete(c)
	}
	if err := l.err(l.main); err != nil {
		return nil, err
	}
	c.Warnings = l.warnings
	return c, nil
}

// decodeRoot fills c with what the file says.
func (l *loader) decodeRoot(c *Config, root *node) {
	l.withSDKFile(root)
	l.root = l.schema(c)
	if root.kind != mapping && root.kind != null && !root.bad {
		l.fail(root.at, "must be a mapping of keys, such as role: source, not %s", root.what())
		return
	}
	l.root.decode(&l.decoder, "", entry{at: root.at, value: root})
}

// parse is the document of a file, an empty node if it has none, and nil after
// a fault of syntax.
func (l *loader) parse(file string, data []byte, sdk bool) *node {
	root, err := l.parseYAML(file, data, sdk)
	if err != nil {
		l.errs = append(l.errs, err)
		return nil
	}
	if root == nil {
		return &node{at: position{file, 1}}
	}
	return root
}

// at is the line of a key; of one that is not written, the line of the section
// that it belongs to.
func (l *loader) at(path string) position {
	for ; path != ""; path = parentOf(path) {
		if at, written := l.wrote[path]; written {
			return at
		}
	}
	return position{l.main, 1}
}
