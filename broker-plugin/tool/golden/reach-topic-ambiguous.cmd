reach before.yaml --topic lab/lab-1-a-b/x
