package config_test
import ("testing";"fmt";"os";"github.com/pillion-dev/pillion/pkg/config")
func TestZ(t *testing.T){ c,err:=config.Load(os.Getenv("F")); fmt.Println(err); if c!=nil {fmt.Printf("%+v\n%v\n",c,c.Files())} }
