diff before.yaml before.yaml --inventory inventory.txt
