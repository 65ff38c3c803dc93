"""The addresses of the people's side: the API under /api/v1/, and the web app."""

from django.urls import include, path

from workspace import api, views

_API = [
    path("me", api.Me.as_view(), name="me"),
    path("accounts", api.Accounts.as_view(), name="accounts"),
    path("accounts/<uuid:account_id>", api.AccountDetail.as_view(), name="account"),
    path("accounts/<uuid:account_id>/reveal", api.Reveal.as_view(), name="reveal"),
    path("keys", api.Keys.as_view(), name="keys"),
    path("keys/<uuid:key_id>", api.KeyDetail.as_view(), name="key"),
]
_WEB = [
    path("", views.accounts, name="accounts"),
    path("accounts/<uuid:account_id>/", views.account, name="account"),
    path("accounts/<uuid:account_id>/reveal/", views.reveal, name="reveal"),
    path("keys/", views.api_keys, name="keys"),
    path("keys/<uuid:key_id>/revoke/", views.revoke_key, name="revoke_key"),
    path("profile/", views.profile, name="profile"),
    path("invitation/<uuid:user_id>/<str:token>/", views.invitation, name="invitation"),
    path("login/", views.sign_in, name="login"),
    path("logout/", views.sign_out, name="logout"),
]
urlpatterns = [
    path("api/v1/", include((_API, "api"))),
    path("", include((_WEB, "web"))),
]
