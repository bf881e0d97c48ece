def write_reports(directory, evaluation, as_json):
    import collections
    print(collections.Counter((s.bench, s.status) for s in evaluation.samples))
def print_diff(a,b,as_json): pass
