def test_x(database):
    assert database.is_current()
def test_y(database):
    assert database.is_current()
